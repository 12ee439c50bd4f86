package depmod_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// memory makes a tree in memory from a description, with files to go with it.
func memory(t testing.TB, text string, files map[string]string) fstest.MapFS {
	t.Helper()
	spec, err := kmodtest.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{"lib/modules/6.1.0/modules.order": {}, "lib/modules/6.1.0/modules.builtin": {}, "lib/modules/6.1.0/modules.builtin.modinfo": {}}
	for _, m := range spec.Modules {
		tree["lib/modules/6.1.0/"+m.Path] = &fstest.MapFile{Data: m.Bytes()}
	}
	for name, data := range files {
		tree[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return tree
}

// table returns one table of a tree.
func table(t testing.TB, options *depmod.Options, name string) string {
	t.Helper()
	options.Release = "6.1.0"
	tables, err := depmod.Build(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tables.WriteFile(&b, name); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const twoModules = `
module kernel/a.ko
	export a_symbol 1
	alias pci:v1*
module kernel/b.ko
	import a_symbol 1
	softdep pre: c
`

func Example() {
	m := kmodtest.Module{Name: "igb", Aliases: []string{"pci:v00008086d00001533sv*sd*bc*sc*i*"}}
	image := fstest.MapFS{"lib/modules/6.1.0/kernel/igb.ko": {Data: m.Bytes()}}
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: image, Release: "6.1.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range tables.Problems() {
		fmt.Println(p)
	}
	tables.WriteFile(os.Stdout, "modules.alias")
	// Output:
	// /lib/modules/6.1.0/modules.order: file does not exist
	// /lib/modules/6.1.0/modules.builtin: file does not exist
	// /lib/modules/6.1.0/modules.builtin.modinfo: file does not exist
	// # Aliases extracted from modules themselves.
	// alias pci:v00008086d00001533sv*sd*bc*sc*i* igb
}

// TestMissingBuiltin: without modules.builtin kmod writes empty files, which are no tables; ours are tables without
// entries.
func TestMissingBuiltin(t *testing.T) {
	for _, name := range []string{"modules.builtin.bin", "modules.builtin.alias.bin"} {
		tree := memory(t, twoModules, nil)
		delete(tree, "lib/modules/6.1.0/modules.builtin")
		delete(tree, "lib/modules/6.1.0/modules.builtin.modinfo")
		if got := table(t, &depmod.Options{FS: tree}, name); got != "\xb0\x07\xf4\x57\x00\x02\x00\x01\x00\x00\x00\x0c" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOverlay(t *testing.T) {
	image := memory(t, twoModules, nil)
	lower := memory(t, "module kernel/b.ko\n alias replaced\nmodule updates/d.ko\n import a_symbol\n", nil)
	upper := fstest.MapFS{"lib/modules/6.1.0/updates/d.ko": {Data: kmodtest.Module{Name: "d", Aliases: []string{"upper"}}.Bytes()}}
	got := table(t, &depmod.Options{FS: image, Overlay: []fs.FS{lower, upper}}, "modules.alias")
	if want := "# Aliases extracted from modules themselves.\nalias replaced b\nalias upper d\nalias pci:v1* a\n"; got != want {
		t.Errorf("modules.alias:\n%s\nwant:\n%s", got, want)
	}
}

func TestFiles(t *testing.T) {
	tree := memory(t, twoModules, map[string]string{"home/x.ko": string(kmodtest.Module{Name: "x", Imports: []kmodtest.Import{{Name: "a_symbol"}}}.Bytes())})
	got := table(t, &depmod.Options{FS: tree, Files: []string{"/lib/modules/6.1.0/kernel/a.ko", "/home/x.ko"}}, "modules.dep")
	if want := "kernel/a.ko:\n/home/x.ko: kernel/a.ko\n"; got != want {
		t.Errorf("modules.dep:\n%s\nwant:\n%s", got, want)
	}
}

// TestUnreadable: a module that is cut short is named, and there are no tables without it unless asked for.
func TestUnreadable(t *testing.T) {
	whole := kmodtest.Module{Name: "cut", Aliases: []string{"x"}}.Bytes()
	for _, tt := range []struct{ name, file, data string }{
		{"cut short", "cut.ko", string(whole[:len(whole)/2])},
		{"not a module", "cut.ko", "#!/bin/sh\n"},
		{"empty", "cut.ko", ""},
		{"broken xz", "cut.ko.xz", "\xfd7zXZ\x00 and then something"},
		{"broken zstd", "cut.ko.zst", "\x28\xb5\x2f\xfd and then something"},
		{"broken gzip", "cut.ko.gz", "\x1f\x8b and then something"},
		{"unknown compression", "cut.ko.xz", "BZh91AY&SY"},
	} {
		tree := memory(t, twoModules, map[string]string{"lib/modules/6.1.0/kernel/" + tt.file: tt.data})
		tables, err := depmod.Build(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0"})
		if !errors.Is(err, depmod.ErrUnreadable) || len(tables.Names()) > 0 {
			t.Errorf("%s: %v, tables %v; want ErrUnreadable and none", tt.name, err, tables.Names())
		}
		if p := tables.Problems(); len(p) != 1 || p[0].Kind != depmod.Unreadable || !strings.HasSuffix(p[0].Path, tt.file) || p[0].Err == nil {
			t.Errorf("%s: problems %v", tt.name, p)
		}
		tables, err = depmod.Build(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0", KeepGoing: true})
		if err != nil {
			t.Errorf("%s: keep going: %v", tt.name, err)
			continue
		}
		dep, _ := tables.ReadFile("modules.dep")
		if !bytes.Contains(dep, []byte("kernel/b.ko: kernel/a.ko\n")) || !bytes.Contains(dep, []byte(tt.file+":\n")) {
			t.Errorf("%s: keep going: modules.dep is\n%s", tt.name, dep)
		}
	}
}

// TestBadKey: kmod stops half way at an alias that is not ASCII; ours makes no tables, or leaves it out.
func TestBadKey(t *testing.T) {
	tree := memory(t, "module kernel/a.ko\n alias caf\xc3\xa9\n alias good\n", nil)
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0"})
	if !errors.Is(err, depmod.ErrBadKey) || len(tables.Names()) > 0 {
		t.Errorf("%v, tables %v; want ErrBadKey and none", err, tables.Names())
	}
	if tables, err = depmod.Build(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0", KeepGoing: true}); err != nil || len(tables.Problems()) != 1 {
		t.Errorf("keep going: %v, %v", err, tables.Problems())
	}
}

// TestNoSymbols: of a System.map that names no exported symbol, as distributions leave in place of the real one, one
// thing is said.
func TestNoSymbols(t *testing.T) {
	tree := memory(t, "module kernel/a.ko\n import printk\n import kfree\n", nil)
	for text, want := range map[string]depmod.Kind{
		"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n": depmod.NoSymbols,
		"ffffffff81000010 r __ksymtab_printk\n":                                                depmod.Unresolved,
	} {
		options := &depmod.Options{FS: tree, Release: "6.1.0", SystemMap: strings.NewReader(text), SymbolsName: "System.map"}
		tables, err := depmod.Build(context.Background(), options)
		if list := tables.Problems(); err != nil || len(list) != 1 || list[0].Kind != want {
			t.Errorf("%q: %v, %v", text, err, list)
		}
	}
}

func TestCycles(t *testing.T) {
	var all strings.Builder
	for i := range 5 { // five modules that need each other: kmod crashes
		fmt.Fprintf(&all, "module kernel/m%d.ko\n export s%d\n", i, i)
		for j := range 5 {
			if i != j {
				fmt.Fprintf(&all, " import s%d\n", j)
			}
		}
	}
	all.WriteString("module kernel/user.ko\n import s0\nmodule kernel/self.ko\n export self\n import self\nmodule kernel/fine.ko\n")
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: memory(t, all.String(), nil), Release: "6.1.0"})
	var cycle *depmod.CycleError
	if !errors.As(err, &cycle) || !errors.Is(err, depmod.ErrCycle) || cycle.Modules != 6 {
		t.Errorf("Build: %v; want a circle of 6 modules", err)
	}
	for _, p := range tables.Problems() {
		if n := len(p.Modules); p.Kind != depmod.Cycle || n < 2 || p.Modules[0] != p.Modules[n-1] {
			t.Errorf("problem %v", p)
		}
	}
	// Of 5 modules: 10 pairs, 20 of three, 30 of four, 24 of all; and the one that needs itself.
	if n := len(tables.Problems()); n != 10+20+30+24+1 {
		t.Errorf("%d circles; want 85", n)
	}
}

// TestManyCycles: where there are more circles than anybody can read, or no end of ways that lead to none, some are
// reported in bounded time.
func TestManyCycles(t *testing.T) {
	var all strings.Builder
	const n = 150 // all of them need each other
	for i := range n {
		fmt.Fprintf(&all, "module kernel/m%d.ko\n export s%d\n", i, i)
		for j := range n {
			fmt.Fprintf(&all, " import s%d\n", j)
		}
	}
	// Twice as many ways as before from each step to the next, and none back to the start but one.
	for i := range 60 {
		fmt.Fprintf(&all, "module kernel/a%d.ko\n export sa%d\n import sa%d\n import sb%d\n", i, i, i+1, i+1)
		fmt.Fprintf(&all, "module kernel/b%d.ko\n export sb%d\n import sa%d\n import sb%d\n", i, i, i+1, i+1)
	}
	all.WriteString("module kernel/a60.ko\n export sa60\n import sa59\n")
	_, err := depmod.Build(context.Background(), &depmod.Options{FS: memory(t, all.String(), nil), Release: "6.1.0"})
	var cycle *depmod.CycleError
	if !errors.As(err, &cycle) || cycle.Modules < n+2 {
		t.Errorf("Build: %v", err)
	}
}

// TestDeterministic: the tables do not depend on the number of workers, nor on the order in which folders are listed.
func TestDeterministic(t *testing.T) {
	dir, release := kmodtest.Corpus(t, "6.1-cloud")
	want := kmodTables(t, dir, release)
	for _, workers := range []int{1, 2, 7, 1000} {
		tables, err := depmod.Build(context.Background(), &depmod.Options{
			FS: reversed{os.DirFS("/")}, Dir: filepath.Join(dir, "lib/modules", release), Release: release, Workers: workers,
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range want {
			if got, _ := tables.ReadFile(name); !bytes.Equal(got, data) {
				t.Errorf("%d workers: %s differs", workers, name)
			}
		}
	}
}

// reversed lists folders the wrong way round.
type reversed struct{ fs.FS }

// ReadDir lists a folder.
func (r reversed) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(r.FS, name)
	slices.Reverse(list)
	return list, err
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if tables, err := depmod.Build(ctx, &depmod.Options{FS: memory(t, twoModules, nil), Release: "6.1.0"}); !errors.Is(err, context.Canceled) || tables == nil {
		t.Errorf("Build = %v, %v; want context.Canceled", tables, err)
	}
}

func TestNoFolder(t *testing.T) {
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: fstest.MapFS{}, Release: "6.1.0"})
	if !errors.Is(err, fs.ErrNotExist) || len(tables.Problems()) != 1 || tables.Problems()[0].Kind != depmod.Directory {
		t.Errorf("Build: %v, %v", err, tables.Problems())
	}
}

// TestEmptyTree: a kernel without modules has tables, too.
func TestEmptyTree(t *testing.T) {
	if got := table(t, &depmod.Options{FS: memory(t, "", nil)}, "modules.dep"); got != "" {
		t.Errorf("modules.dep: %q", got)
	}
}

func TestCompare(t *testing.T) {
	tree := memory(t, twoModules, nil)
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables.Names() {
		data, _ := tables.ReadFile(name)
		tree["lib/modules/6.1.0/"+name] = &fstest.MapFile{Data: data}
	}
	if d := tables.Compare(tree, "lib/modules/6.1.0"); d != nil {
		t.Errorf("differences %v; want none", d)
	}
	delete(tree, "lib/modules/6.1.0/modules.softdep")
	tree["lib/modules/6.1.0/modules.alias"] = &fstest.MapFile{Data: []byte("# Aliases extracted from modules themselves.\nalias old gone\n")}
	tree["lib/modules/6.1.0/modules.dep.bin"] = &fstest.MapFile{Data: []byte("cut")}
	var got []string
	for _, d := range tables.Compare(tree, "/lib/modules/6.1.0") {
		got = append(got, fmt.Sprintf("%s: %s %q %q", d.Table, d.Reason(), d.Surplus, d.Lacking))
	}
	want := []string{
		`modules.dep.bin: differs [] []`,
		`modules.alias: differs: 1 lines too many, 1 missing ["alias old gone"] ["alias pci:v1* a"]`,
		`modules.softdep: missing [] []`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences %q; want %q", got, want)
	}
}

func TestOutdated(t *testing.T) {
	old, now := time.Now().Add(-time.Hour), time.Now()
	tree := memory(t, twoModules, map[string]string{"lib/modules/6.1.0/modules.dep": "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\n"})
	for _, f := range tree {
		f.ModTime = old
	}
	check := func(what string, want bool) {
		t.Helper()
		if got, err := depmod.Outdated(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0"}); err != nil || got != want {
			t.Errorf("%s: Outdated = %t, %v; want %t", what, got, err, want)
		}
	}
	check("nothing changed", false)
	tree["lib/modules/6.1.0/kernel/b.ko"].ModTime = now
	check("a newer module", true)
	tree["lib/modules/6.1.0/kernel/b.ko"].ModTime = old
	tree["lib/modules/6.1.0/build/x.ko"] = &fstest.MapFile{ModTime: now}
	check("a newer file that is not a module of the tree", false)
	delete(tree, "lib/modules/6.1.0/kernel/b.ko")
	check("a module that is gone", true)
	delete(tree, "lib/modules/6.1.0/modules.dep")
	if got, err := depmod.Outdated(context.Background(), &depmod.Options{FS: tree, Release: "6.1.0"}); !got || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without modules.dep: Outdated = %t, %v", got, err)
	}
}

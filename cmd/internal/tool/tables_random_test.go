package tool_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

const brokenTree = `
module kernel/lib/base.ko
	export base_do 1
	alias base-alias
module kernel/lib/mid.ko
	import base_do 1
	export mid_do 2
	depends base
module kernel/drivers/top.ko
	import mid_do 2
	depends mid,base
	alias pci:v00001111d*
module kernel/drivers/alone.ko
	alias pci:v00002222d*
	alias devname:net/tun
	alias char-major-10-200
module updates/other.ko
	export other_do 3
module kernel/drivers/other.ko
	export other_do 3
builtin kernel/bi-one.ko
`

// needs are the modules that each one needs.
var needs = map[string][]string{"base": nil, "mid": {"base"}, "top": {"mid", "base"}, "alone": nil, "other": nil}

// requests are what is asked for, and the module that is meant.
var requests = map[string]string{
	"top": "top", "mid": "mid", "alone": "alone", "pci:v00001111d00000001": "top", "pci:v00002222d00000001": "alone", "base-alias": "base",
	"symbol:mid_do": "mid", "other": "other", "late": "late", "bi-one": "", "nosuch": "none",
}

// setup is a machine whose tables and files are not as they should be.
type setup struct {
	files    fstest.MapFS
	what     []string        // what was done to it
	gone     map[string]bool // modules that are nowhere
	anywhere bool            // every module that was there is there still, somewhere in the tree
}

const moduleDir = "lib/modules/6.1.0/"

// wholeMachine makes a machine that is as it should be.
func wholeMachine(t *testing.T) fstest.MapFS {
	t.Helper()
	spec, err := kmodtest.ParseSpec(brokenTree)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"proc/modules": {}, "proc/cmdline": {Data: []byte("quiet\n")}, "sys/module/kernel/x": {},
		moduleDir + "modules.order": {}, moduleDir + "modules.builtin": {Data: []byte("kernel/bi-one.ko\n")},
		moduleDir + "modules.builtin.modinfo": {Data: []byte("bi_one.license=GPL\x00")},
	}
	for _, m := range spec.Modules {
		files[moduleDir+m.Path] = &fstest.MapFile{Data: m.Bytes()}
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: files, Release: "6.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables.Names() {
		data, err := tables.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[moduleDir+name] = &fstest.MapFile{Data: data}
	}
	return files
}

// spoil does random things to a machine.
func spoil(rnd *rand.Rand, whole fstest.MapFS) *setup {
	s := &setup{files: maps.Clone(whole), anywhere: true, gone: make(map[string]bool)}
	note := func(format string, args ...any) { s.what = append(s.what, fmt.Sprintf(format, args...)) }
	all := rnd.IntN(3) == 0 // the same to all tables, as a crash or a copy does
	how := rnd.IntN(4)
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		base := path.Base(name)
		if !strings.HasPrefix(base, "modules.") || strings.HasPrefix(base, "modules.builtin") {
			continue
		}
		if !all {
			how = rnd.IntN(8)
		}
		data := whole[name].Data
		switch how {
		case 0:
			delete(s.files, name)
			note("%s removed", base)
		case 1:
			s.files[name] = &fstest.MapFile{}
			note("%s emptied", base)
		case 2:
			if len(data) > 0 {
				s.files[name] = &fstest.MapFile{Data: data[:rnd.IntN(len(data))]}
				note("%s cut to %d", base, len(s.files[name].Data))
				if bytes.HasSuffix(s.files[name].Data, []byte("\n")) {
					s.anywhere = false // a text that ends between two lines looks whole
				}
			}
		case 3:
			if strings.HasSuffix(base, ".bin") {
				s.files[name] = &fstest.MapFile{Data: []byte("this is no table at all")}
				note("%s is rubbish", base)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if !strings.HasSuffix(name, ".ko") {
			continue
		}
		data := s.files[name]
		switch rnd.IntN(12) {
		case 0:
			delete(s.files, name)
			s.anywhere, s.gone[alias.FromPath(name)] = false, true
			note("%s is gone", path.Base(name))
		case 1:
			delete(s.files, name)
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			w.Write(data.Data) // to memory: no error
			w.Close()
			s.files[name+".gz"] = &fstest.MapFile{Data: packed.Bytes()}
			note("%s is packed", path.Base(name))
		case 2:
			delete(s.files, name)
			s.files[moduleDir+"moved/"+path.Base(name)] = data
			note("%s is moved", path.Base(name))
		}
	}
	if rnd.IntN(3) == 0 {
		s.files[moduleDir+"extra/late.ko"] = &fstest.MapFile{Data: kmodtest.Module{Name: "late"}.Bytes()}
		note("late.ko came after depmod")
	}
	s.relink(rnd, note)
	for _, dir := range []string{"proc/", "sys/"} {
		if rnd.IntN(4) == 0 {
			maps.DeleteFunc(s.files, func(name string, _ *fstest.MapFile) bool { return strings.HasPrefix(name, dir) })
			note("no %s", dir)
		}
	}
	return s
}

// relink puts links in place of folders.
func (s *setup) relink(rnd *rand.Rand, note func(string, ...any)) {
	move := func(from, to, target string) {
		for name, file := range maps.Clone(s.files) {
			if rest, ok := strings.CutPrefix(name, from+"/"); ok {
				delete(s.files, name)
				s.files[to+"/"+rest] = file
			}
		}
		s.files[from] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		note("%s is a link to %s", from, target)
	}
	if rnd.IntN(4) == 0 {
		move(moduleDir+"kernel", "store/k1", "/store/k1")
	}
	switch rnd.IntN(4) {
	case 0:
		move("lib", "usr/lib", []string{"usr/lib", "/usr/lib"}[rnd.IntN(2)])
	case 1:
		move("lib", "usr/lib", "nowhere")
		delete(s.files, "lib")
		note("no lib")
	}
}

// TestRandomTables: on whatever machine, what is asked for is loaded after what it needs, or there is an error and a
// sentence. No other module is loaded, nothing is said twice, and what is in the tree is found without its tables.
func TestRandomTables(t *testing.T) {
	n := 300
	if os.Getenv("GOMODPROBE_LONG") != "" {
		n = 5000
	}
	whole := wholeMachine(t)
	names := slices.Sorted(maps.Keys(requests))
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), 14))
		s := spoil(rnd, whole)
		request := names[rnd.IntN(len(names))]
		kernel := new(modprobetest.Kernel)
		var stdout, stderr bytes.Buffer
		fsys := sysroot.New(s.files)
		env := &cli.Env{
			Args:      []string{"modprobe", request},
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        fsys,
			Stdout:    &stdout,
			Stderr:    &stderr,
			Kernel:    kernel,
			Cwd:       func() (string, error) { return "/", nil },
			Sub:       func(string) (fs.FS, error) { return fsys, nil },
		}
		if rnd.IntN(3) == 0 {
			env.FS, env.Args = fstest.MapFS{}, []string{"modprobe", "--root", "/image", request}
		}
		status := tool.Main(env)
		if wrong := s.judge(request, status, kernel.Loaded(), stderr.String()); wrong != "" {
			t.Errorf("seed %d: modprobe %s: %s\nstatus %d, loaded %v\n%s%s", seed, request, wrong, status, kernel.Loaded(), &stderr, strings.Join(s.what, "\n"))
		}
	}
}

// judge says what is wrong with what was done.
func (s *setup) judge(request string, status int, loaded []string, stderr string) string {
	want := requests[request]
	said := make(map[string]bool)
	for line := range strings.Lines(stderr) {
		if said[line] {
			return "says twice: " + line
		}
		said[line] = true
	}
	for i, name := range loaded {
		if name != want && !slices.Contains(needs[want], name) {
			return "loads " + name
		}
		for _, need := range needs[name] {
			if !slices.Contains(loaded[:i], need) && !s.gone[need] {
				return "loads " + name + " before " + need
			}
		}
	}
	done := want == "" || slices.Contains(loaded, want)
	_, late := s.files[s.dir()+"extra/late.ko"]
	switch {
	case status == 0 && !done:
		return "success, and nothing was done"
	case status != 0 && stderr == "":
		return "a failure without a word"
	case status != 0 && s.anywhere && s.listed(want):
		return "a module that is there is not found"
	case status != 0 && want == "late" && late && !strings.Contains(stderr, "extra/late.ko is there, but in no table: run depmod 6.1.0"):
		return "does not say that the file is there"
	}
	return ""
}

// dir returns the folder of the modules.
func (s *setup) dir() string {
	if _, ok := s.files["usr/"+moduleDir+"modules.order"]; ok {
		return "usr/" + moduleDir
	}
	if _, ok := s.files["usr/"+moduleDir+"modules.builtin"]; ok {
		return "usr/" + moduleDir
	}
	return moduleDir
}

// listed reports whether a module must be found.
func (s *setup) listed(module string) bool {
	_, known := needs[alias.ModName(module)]
	return known
}

// TestModinfoAnyFile: the path of a file is read whatever it is called.
func TestModinfoAnyFile(t *testing.T) {
	image := &fstest.MapFile{Data: kmodtest.Module{Name: "foo"}.Bytes()}
	files := fstest.MapFS{"foo.ko.unsigned": image, "dir/noext": image, "plain": image}
	for operand, want := range map[string]int{"/foo.ko.unsigned": 0, "foo.ko.unsigned": 0, "./dir/noext": 0, "plain": 1} {
		var stdout, stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args:      []string{"modinfo", "-F", "name", operand},
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        files,
			Stdout:    &stdout,
			Stderr:    &stderr,
			Kernel:    new(modprobetest.Kernel),
			Cwd:       func() (string, error) { return "/", nil },
		})
		if status != want || want == 0 && stdout.String() != "foo\n" {
			t.Errorf("modinfo %s: status %d, %q, %s", operand, status, &stdout, &stderr)
		}
	}
}

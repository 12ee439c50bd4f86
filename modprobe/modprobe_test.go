package modprobe_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

const tree = `
module kernel/base.ko
	export base_sym 0x1
module kernel/mid.ko
	export mid_sym 0x2
	import base_sym 0x1
	depends base
module kernel/top.ko
	import mid_sym 0x2
	depends mid
	alias al-top*
module kernel/soft.ko
	softdep pre: pre1 post: post1
module kernel/pre1.ko
	alias both
module kernel/post1.ko
	alias both
module kernel/packed.ko.xz
module kernel/zipped.ko.gz
builtin kernel/bi-one.ko
	info alias=bi-alias
`

// world is a root folder with a module tree, and a kernel on top of it.
type world struct {
	root   string
	kernel *modprobetest.Kernel
	logged []error
	mu     sync.Mutex
	shell  []string
}

// newWorld makes the module tree, with tables, and the files given as path, text, path, text.
func newWorld(t testing.TB, files ...string) *world {
	t.Helper()
	w := bareWorld(t, files...)
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: os.DirFS(w.root), Release: "6.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tables.Install(filepath.Join(w.root, "lib/modules/6.1.0")); err != nil {
		t.Fatal(err)
	}
	return w
}

// bareWorld makes a world without tables.
func bareWorld(t testing.TB, files ...string) *world {
	t.Helper()
	spec, err := kmodtest.ParseSpec(tree)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{root: spec.Tree(t)}
	w.kernel = &modprobetest.Kernel{Dir: w.root, Fail: map[string]error{}, Says: map[string][]string{}}
	for i := 0; i < len(files); i += 2 {
		w.write(t, files[i], files[i+1])
	}
	return w
}

func (w *world) write(t testing.TB, name, text string) {
	t.Helper()
	name = filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prober returns a Prober on the world.
func (w *world) prober(t testing.TB) *modprobe.Prober {
	t.Helper()
	p, err := modprobe.New(&modprobe.Options{
		FS: os.DirFS(w.root), Kernel: w.kernel, Explain: check.Explain,
		Log: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.logged = append(w.logged, err)
		},
		Shell: func(_ context.Context, command, module string) error {
			w.shell = append(w.shell, module+": "+command)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// calls returns what the kernel was asked, in short: +insert, -remove, !refused.
func (w *world) calls() string {
	var words []string
	for _, c := range w.kernel.Calls() {
		word := "+" + c.Module
		if c.Name == "delete_module" {
			word = "-" + c.Module
		}
		if c.Params != "" {
			word += "(" + c.Params + ")"
		}
		if c.Err != nil {
			word += "!"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// load loads a module and fails the test if that fails.
func (w *world) load(t *testing.T, name string, params ...string) {
	t.Helper()
	if err := w.prober(t).Load(context.Background(), name, params...); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	const conf = "etc/modprobe.d/x.conf"
	for _, tt := range []struct {
		name, conf, load string
		params           []string
		want             string
	}{
		{"with what it needs", "", "top", nil, "+base +mid +top"},
		{"parameters", "options mid a=1\noptions top b=2", "top", []string{"c=3", "d=4"}, "+base +mid(a=1 ) +top(b=2 c=3 d=4)"},
		{"softdeps", "", "soft", nil, "+pre1 +soft +post1"},
		{"of the configuration", "softdep top pre: pre1", "top", nil, "+base +mid +pre1 +top"},
		{"loop of softdeps", "softdep pre1 pre: post1\nsoftdep post1 pre: pre1", "pre1", nil, "+post1 +pre1"},
		{"alias", "", "al-top-1", nil, "+base +mid +top"},
		{"two modules", "", "both", nil, "+pre1 +post1"},
		{"alias of the configuration", "alias foo* pre1\noptions foo* x=1", "food", nil, "+pre1(x=1 )"},
		{"blacklist stops aliases", "blacklist pre1", "both", nil, "+post1"},
		{"but not names", "blacklist pre1", "pre1", nil, "+pre1"},
		{"builtin", "", "bi-one", nil, ""},
		{"builtin alias", "", "bi-alias", nil, ""},
		{"compressed", "", "packed", []string{"a=1"}, "+packed(a=1)"},
		{"command line of the kernel", "", "mid", nil, "+base(q=1 ) +mid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, conf, tt.conf, "proc/cmdline", "quiet base.q=1\n")
			if !strings.Contains(tt.want, "q=1") {
				w.write(t, "proc/cmdline", "")
			}
			w.load(t, tt.load, tt.params...)
			if got := w.calls(); got != tt.want {
				t.Errorf("calls = %s; want %s", got, tt.want)
			}
			w.load(t, tt.load) // what is loaded is not loaded again
			if got := w.calls(); got != tt.want {
				t.Errorf("calls after the second time = %s; want %s", got, tt.want)
			}
			for _, err := range w.logged {
				if !errors.Is(err, modprobe.ErrBlacklisted) {
					t.Errorf("logged: %v", err)
				}
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	w := newWorld(t, "etc/modprobe.d/x.conf", "alias gone nothing\nforbid zipped not here\ninstall pre1 exit 3\n")
	w.kernel.Fail["mid"] = syscall.EINVAL
	w.kernel.Says["mid"] = []string{"other: nonsense", "mid: disagrees about version of symbol base_sym"}
	for _, tt := range []struct {
		name string
		is   error
		text string
	}{
		{"nosuch", modprobe.ErrNotFound, "resolve nosuch: no such module or alias"},
		{"x[y", fs.ErrNotExist, "resolve x[y: no such module or alias"},
		{"/nosuch.ko", fs.ErrNotExist, "resolve nosuch: stat nosuch.ko: no such file or directory"},
		{"gone", fs.ErrNotExist, "insert nothing: no file for this module"},
		{"zipped", modprobe.ErrForbidden, "insert zipped: forbidden: by /etc/modprobe.d/x.conf:2 (not here)"},
		{"zipped", fs.ErrPermission, ""},
		{"top", syscall.EINVAL, "insert top: insert mid: invalid argument: mid: disagrees about version of symbol base_sym; " +
			"it was built against other versions of what it uses; modprobe --show-modversions lists them"},
	} {
		err := w.prober(t).Load(context.Background(), tt.name)
		if !errors.Is(err, tt.is) {
			t.Errorf("Load(%q) = %v; want one that is %v", tt.name, err, tt.is)
		}
		if tt.text != "" && err.Error() != tt.text {
			t.Errorf("Load(%q) = %q; want %q", tt.name, err, tt.text)
		}
		var e *modprobe.Error
		if !errors.As(err, &e) {
			t.Errorf("Load(%q) = %T; want an *Error", tt.name, err)
		}
	}
}

func TestNoTree(t *testing.T) {
	w := newWorld(t)
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel, Release: "9.9"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(context.Background(), "mid"); !errors.Is(err, modprobe.ErrNoTables) || !errors.Is(err, modprobe.ErrNotFound) {
		t.Errorf("without a tree: %v; want ErrNotFound and ErrNoTables", err)
	}
	w.load(t, "mid")
	if err := p.Load(context.Background(), "mid"); err != nil {
		t.Errorf("loaded by others: %v; want nil", err)
	}
	w.write(t, "sys/module/br_netfilter/initstate", "live\n")
	w.write(t, "sys/module/br_netfilter/refcnt", "0\n")
	if err := p.Load(context.Background(), "br-netfilter"); err != nil {
		t.Errorf("loaded by others, with a dash: %v; want nil", err)
	}
	plan, err := p.PlanRemove("br-netfilter", nil)
	if err != nil || len(plan) != 1 || plan[0].String() != "rmmod br_netfilter" {
		t.Errorf("to remove what others have loaded: %v, %v", plan, err)
	}
	if _, err := p.PlanRemove("gone", nil); !errors.Is(err, modprobe.ErrNoTables) {
		t.Errorf("to remove what is not there: %v; want ErrNoTables", err)
	}
}

func TestUsrLib(t *testing.T) {
	w := newWorld(t)
	if err := os.Rename(filepath.Join(w.root, "lib"), filepath.Join(w.root, "usr")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.root, "usr/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.root, "usr/modules"), filepath.Join(w.root, "usr/lib/modules")); err != nil {
		t.Fatal(err)
	}
	if got, want := w.prober(t).Dir(), "/usr/lib/modules/6.1.0"; got != want {
		t.Errorf("Dir = %s; want %s", got, want)
	}
	w.load(t, "mid")
}

// TestNoTables takes the tables away one after the other: text stands in for .bin, and the modules for text.
func TestNoTables(t *testing.T) {
	text := []string{"modules.dep", "modules.alias", "modules.symbols"}
	var bin []string
	for _, name := range []string{"modules.dep", "modules.alias", "modules.symbols", "modules.builtin", "modules.builtin.alias"} {
		bin = append(bin, name+".bin")
	}
	for _, tt := range []struct {
		name    string
		damage  func(file string) error
		files   []string
		instead string
		both    string // the order of two modules is depmod's, or else that of their names
	}{
		{"no .bin", os.Remove, bin, "modules.dep", "+pre1 +post1"},
		{"damaged .bin", func(file string) error { return os.WriteFile(file, []byte(strings.Repeat("x", 100)), 0o644) }, bin, "modules.dep", "+pre1 +post1"},
		{"cut .bin", func(file string) error { return os.Truncate(file, 5) }, bin, "modules.dep", "+pre1 +post1"},
		{"no tables", os.Remove, append(bin, text...), "the modules themselves", "+post1 +pre1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for _, name := range tt.files {
				if err := tt.damage(filepath.Join(w.root, "lib/modules/6.1.0", name)); err != nil {
					t.Fatal(err)
				}
			}
			w.load(t, "symbol:base_sym")
			w.load(t, "top")
			w.load(t, "both")
			w.load(t, "bi-one")
			w.load(t, "bi-alias")
			if got, want := w.calls(), "+base +mid +top "+tt.both; got != want {
				t.Errorf("calls = %s; want %s", got, want)
			}
			var e *modprobe.TableError
			said := slices.ContainsFunc(w.logged, func(err error) bool { return errors.As(err, &e) && e.Instead == tt.instead })
			if !said {
				t.Errorf("logged %v; want a TableError with Instead = %s", w.logged, tt.instead)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	modules, err := w.prober(t).Resolve("al-top")
	if err != nil {
		t.Fatal(err)
	}
	want := modprobe.Module{Name: "top", Alias: "al_top", Path: "/lib/modules/6.1.0/kernel/top.ko", Depends: []string{"base", "mid"}}
	if got := fmt.Sprintf("%+v", modules); got != fmt.Sprintf("%+v", []modprobe.Module{want}) {
		t.Errorf("Resolve = %s; want %+v", got, want)
	}
}

// TestKernelRefusesCompression has the kernel say that it expands xz, and then not do it.
func TestKernelRefusesCompression(t *testing.T) {
	w := newWorld(t, "sys/module/compression", "xz\n")
	w.load(t, "packed", "a=1")
	got := fmt.Sprint(w.kernel.Calls())
	if want := `[finit_module packed "a=1" 4 finit_module packed "a=1" 0]`; got != want {
		t.Errorf("calls = %s; want %s", got, want)
	}
	w.kernel.Decompress = "gzip"
	w.write(t, "sys/module/compression", "gzip\n")
	p, _ := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel})
	if err := p.Load(context.Background(), "zipped"); err != nil {
		t.Fatal(err)
	}
	if got := w.kernel.Calls(); len(got) != 3 || got[2].Flags != modprobe.CompressedFile {
		t.Errorf("calls = %v; want one more, with CompressedFile", got)
	}
}

// TestInstallBeatsSoftdep is where we differ from kmod, which forgets the command.
func TestInstallBeatsSoftdep(t *testing.T) {
	w := newWorld(t, "etc/modprobe.d/x.conf", "install soft run soft $CMDLINE_OPTS\n")
	w.load(t, "soft", "a=1")
	if got, want := w.calls()+" "+strings.Join(w.shell, ","), "+pre1 +post1 soft: run soft a=1"; got != want {
		t.Errorf("calls = %s; want %s", got, want)
	}
}

func TestForbid(t *testing.T) {
	for _, tt := range []struct {
		name, conf, cmdline, load, want string
		forbidden                       bool
	}{
		{"name", "forbid base", "", "base", "", true},
		{"dependency", "forbid base", "", "top", "", true},
		{"alias", "forbid top", "", "al-top", "", true},
		{"softdep", "forbid pre?", "", "soft", "+soft +post1", false},
		{"comment", "# gomodprobe: forbid pre1 why not", "", "pre1", "", true},
		{"command line", "", "modprobe.forbid=pre1,x", "pre1", "", true},
		{"install command", "forbid pre1\ninstall pre1 anything", "", "pre1", "", true},
		{"list of the allowed", "forbid *\nallow mid\nallow b*", "", "mid", "+base +mid", false},
		{"not on the list", "forbid *\nallow mid\nallow b*", "", "top", "", true},
		{"not forbidden", "forbid pre1", "", "mid", "+base +mid", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "etc/modprobe.d/x.conf", tt.conf+"\n", "proc/cmdline", tt.cmdline+"\n")
			p := w.prober(t)
			err := p.Load(context.Background(), tt.load)
			if errors.Is(err, modprobe.ErrForbidden) != tt.forbidden || err != nil && !tt.forbidden {
				t.Errorf("Load = %v; forbidden should be %v", err, tt.forbidden)
			}
			if got := w.calls(); got != tt.want {
				t.Errorf("calls = %s; want %s", got, tt.want)
			}
			plan, err := p.Plan(tt.load, &modprobe.PlanOptions{AllowForbidden: true})
			if err != nil || tt.forbidden && len(plan) == 0 {
				t.Errorf("Plan with AllowForbidden = %v, %v", plan, err)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	w.load(t, "top")
	p := w.prober(t)
	ctx := context.Background()
	if err := p.Remove(ctx, "mid"); !errors.Is(err, modprobe.ErrInUse) {
		t.Errorf("Remove(mid) = %v; want ErrInUse", err)
	}
	if err := p.Remove(ctx, "bi-one"); !errors.Is(err, modprobe.ErrBuiltin) {
		t.Errorf("Remove(bi-one) = %v; want ErrBuiltin", err)
	}
	if err := p.Remove(ctx, "soft"); err != nil {
		t.Errorf("Remove(soft) = %v; want nil, it is not loaded", err)
	}
	if err := p.Remove(ctx, "nosuch"); !errors.Is(err, modprobe.ErrNotFound) {
		t.Errorf("Remove(nosuch) = %v; want ErrNotFound", err)
	}
	plan, err := p.PlanRemove("soft", &modprobe.RemoveOptions{FirstTime: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx, plan); !errors.Is(err, modprobe.ErrNotLoaded) {
		t.Errorf("removing soft for the first time = %v; want ErrNotLoaded", err)
	}
}

// TestRemoveChain is where we differ from kmod, which leaves base loaded.
func TestRemoveChain(t *testing.T) {
	w := newWorld(t)
	w.load(t, "top")
	if err := w.prober(t).Remove(context.Background(), "top"); err != nil {
		t.Fatal(err)
	}
	if got, want := w.calls(), "+base +mid +top -top -mid -base"; got != want {
		t.Errorf("calls = %s; want %s", got, want)
	}
}

// TestRemoveHolders removes the users of users too, which kmod does not.
func TestRemoveHolders(t *testing.T) {
	w := newWorld(t)
	w.load(t, "top")
	p := w.prober(t)
	plan, err := p.PlanRemove("base", &modprobe.RemoveOptions{Holders: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
	if got, want := w.calls(), "+base +mid +top -top -mid -base"; got != want {
		t.Errorf("calls = %s; want %s", got, want)
	}
}

// TestRemoveFirstTime is where we differ from kmod, which wants the softdeps to be loaded, too.
func TestRemoveFirstTime(t *testing.T) {
	w := newWorld(t)
	if err := w.kernel.Preload(nil, "soft"); err != nil {
		t.Fatal(err)
	}
	p := w.prober(t)
	plan, err := p.PlanRemove("soft", &modprobe.RemoveOptions{FirstTime: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background(), plan); err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}

func TestLoaded(t *testing.T) {
	w := newWorld(t)
	w.load(t, "mid")
	w.load(t, "pre1")
	w.write(t, "proc/modules.before", "gone 4096 0 - Unloading 0x0\n"+readFile(t, w.root, "proc/modules"))
	p, err := modprobe.New(&modprobe.Options{FS: &changing{FS: os.DirFS(w.root)}, Kernel: w.kernel})
	if err != nil {
		t.Fatal(err)
	}
	modules, err := p.Loaded()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range modules {
		if m.Size <= 0 || m.State != "Live" {
			t.Errorf("%+v; want a size, and Live", m)
		}
		got = append(got, fmt.Sprint(m.Name, m.Users, m.Holders))
	}
	if want := []string{"pre10 []", "mid0 []", "base1 [mid]"}; !slices.Equal(got, want) {
		t.Errorf("Loaded = %q; want %q", got, want)
	}
}

// changing is a file system whose /proc/modules is another one the first time.
type changing struct {
	fs.FS
	read bool
}

func (c *changing) Open(name string) (fs.File, error) {
	if name == "proc/modules" && !c.read {
		c.read = true
		name += ".before"
	}
	return c.FS.Open(name)
}

func readFile(t *testing.T, root, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestConcurrent loads the same modules from many goroutines, with one Prober and with many; run with -race.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, "etc/modprobe.d/x.conf", "options base a=1\n")
	w.kernel.Dir = "" // nobody sees that a module is loaded: each load meets EEXIST
	one := w.prober(t)
	var group sync.WaitGroup
	for i := range 20 {
		p := one
		if i%2 == 0 {
			p = w.prober(t)
		}
		group.Add(1)
		go func() {
			defer group.Done()
			for _, name := range []string{"top", "soft", "both", "bi-alias"} {
				if err := p.Load(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if got := len(w.kernel.Loaded()); got != 6 {
		t.Errorf("%d modules are loaded: %v", got, w.kernel.Loaded())
	}
}

func TestCanceled(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.prober(t).Load(ctx, "top"); !errors.Is(err, context.Canceled) {
		t.Errorf("Load = %v; want context.Canceled", err)
	}
	if got := w.calls(); got != "" {
		t.Errorf("calls = %s; want none", got)
	}
}

// TestForceCompressed is where we differ from kmod, which edits the image and calls init_module: as a file in memory
// the module can have flags.
func TestForceCompressed(t *testing.T) {
	const both = modprobe.IgnoreModversions | modprobe.IgnoreVermagic
	w := newWorld(t)
	p := w.prober(t)
	plan, err := p.Plan("packed", &modprobe.PlanOptions{Flags: both})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(w.kernel.Calls()), `[finit_module packed "" 3]`; got != want {
		t.Errorf("calls = %s; want %s", got, want)
	}
}

// TestMissingDependency is where we differ from kmod, which goes on without any dependency.
func TestMissingDependency(t *testing.T) {
	w := newWorld(t)
	if err := os.Remove(filepath.Join(w.root, "lib/modules/6.1.0/kernel/base.ko")); err != nil {
		t.Fatal(err)
	}
	err := w.prober(t).Load(context.Background(), "mid")
	var e *modprobe.Error
	if !errors.As(err, &e) || e.Module != "base" || e.Requested != "mid" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load = %v; want an error about base", err)
	}
	if got := w.calls(); got != "" {
		t.Errorf("calls = %s; want none", got)
	}
}

package check_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// memory is a cache that counts.
type memory struct {
	data       map[string][]byte
	gets, puts int
}

func (m *memory) Get(key string) []byte { m.gets++; return m.data[key] }

func (m *memory) Put(key string, data []byte) { m.puts++; m.data[key] = data }

func checker(t *testing.T, o modprobe.Options, c *check.Options) *check.Checker {
	t.Helper()
	p, err := modprobe.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	k, err := check.New(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verdict(t *testing.T, c *check.Checker, name string) *check.Verdict {
	t.Helper()
	all, err := c.Check(name)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0]
}

// TestCheckSources judges the same modules by everything that tells what a real kernel exports.
func TestCheckSources(t *testing.T) {
	dir, release := kmodtest.Corpus(t, "6.1")
	other, otherRelease := kmodtest.Corpus(t, "6.1-cloud")
	foreign := filepath.Join(other, "lib/modules", otherRelease, "kernel/fs/fat/vfat.ko")
	if _, err := os.Stat(foreign); err != nil {
		t.Fatal(err)
	}
	o := modprobe.Options{Dir: dir, Release: release, NoConfig: true}
	cache := &memory{data: map[string][]byte{}}
	for _, ahead := range [][]string{{"vfat", "nothing"}, nil} {
		c := checker(t, o, &check.Options{Cache: cache, Names: ahead})
		v := verdict(t, c, "vfat")
		if v.Outcome != check.Loads || strings.Join(v.Needs, " ") != "fat" || !strings.Contains(v.Source, "boot/vmlinuz (bzImage, xz)") {
			t.Errorf("%+v", v)
		}
	}
	if cache.gets != 3 || cache.puts != 3 { // exports, types, and which image the release has
		t.Errorf("the cache was asked %d times and told %d times; want 3 and 3", cache.gets, cache.puts)
	}
	// Without a boot image only the versions of the other modules are left: some imports are not known, none is wrong.
	bare := t.TempDir()
	if err := os.MkdirAll(filepath.Join(bare, "lib/modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "lib/modules", release), filepath.Join(bare, "lib/modules", release)); err != nil {
		t.Fatal(err)
	}
	o.Dir = bare
	c := checker(t, o, nil)
	if v := verdict(t, c, foreign); v.Outcome != check.Fails || !strings.Contains(v.Source, "that a module of") {
		t.Errorf("cloud's module by the versions of one: %+v", v)
	}
	if v := verdict(t, c, "vfat"); v.Outcome != check.Unknown && v.Outcome != check.Loads || len(v.Findings) > 0 {
		t.Errorf("own module by the versions of others: %+v", v)
	}
	if v := verdict(t, c, foreign); v.Outcome != check.Fails || !strings.Contains(v.Source, "modules were built with") {
		t.Errorf("cloud's module by the versions of others: %+v", v)
	}
	// The image says which kernel is meant, if nothing else does.
	alone := modprobe.Options{FS: os.DirFS("/"), NoConfig: true, Kernel: &modprobetest.Kernel{Version: "9.9.9"}}
	c = checker(t, alone, &check.Options{Image: filepath.Join(other, "boot/vmlinuz"), Cache: cache})
	if v := verdict(t, c, foreign); c.Release() != otherRelease || v.Release != otherRelease || v.Errno == syscall.ENOEXEC {
		t.Errorf("by the image alone, of %s: %+v", c.Release(), v)
	}
	alone.Release = "9.9.9"
	if p, err := modprobe.New(&alone); err != nil {
		t.Error(err)
	} else if _, err := check.New(p, &check.Options{Image: filepath.Join(other, "boot/vmlinuz"), Cache: cache}); err == nil {
		t.Error("the image of another kernel than Options.Release is accepted")
	}
	// Quick does not read all modules.
	q := checker(t, o, &check.Options{Quick: true})
	if v := verdict(t, q, "vfat"); v.Outcome != check.Unknown || !strings.Contains(v.Source, "that a module of") {
		t.Errorf("quick: %+v", v)
	}
}

func TestCheckErrors(t *testing.T) {
	root := kmodtest.Tree(t, "6.1.0", kmodtest.Module{Name: "a"})
	p, err := modprobe.New(&modprobe.Options{Dir: root, Release: "6.1.0", NoConfig: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.Module(context.Background(), p, "nothing"); !errors.Is(err, modprobe.ErrNotFound) {
		t.Errorf("a name that is none: %v", err)
	}
	if _, err := check.Module(context.Background(), p, "/nothing.ko"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is none: %v", err)
	}
	if _, err := check.New(p, &check.Options{Image: "/etc/passwd"}); err == nil {
		t.Error("a boot image that is none is accepted")
	}
	text := filepath.Join(root, "text.ko")
	if err := os.WriteFile(text, []byte(strings.Repeat("no module\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	v, err := check.Module(context.Background(), p, text)
	said := []string{`Invalid ELF header magic: != \x7fELF`, "Module has invalid ELF structures"} // by some kernels
	if err != nil || v.Outcome != check.Fails || v.Errno != syscall.ENOEXEC || !slices.Equal(v.MayLog, said) {
		t.Errorf("text: %+v, %v", v, err)
	}
	// Without tables nobody knows what the tree's modules export; a module loaded from elsewhere may export anything.
	needy := filepath.Join(root, "needy.ko")
	if err := os.WriteFile(needy, kmodtest.Module{Name: "needy", Vermagic: "6.1.0 SMP mod_unload modversions ", Imports: []kmodtest.Import{{Name: "gone", CRC: 1}}}.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if v, err := check.Module(context.Background(), p, needy); err != nil || v.Outcome != check.Unknown {
		t.Errorf("without tables: %+v, %v", v, err)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := check.Module(canceled, p, needy); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	q, err := modprobe.New(&modprobe.Options{Dir: root, Release: "9.9.9", NoConfig: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.New(q, nil); !errors.Is(err, modprobe.ErrNoTables) {
		t.Errorf("a kernel that is not there: %v", err)
	}
	left := filepath.Join(root, "lib/modules/5.10.0/updates") // by a kernel that was removed
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if list, err := modprobe.Releases(os.DirFS("/"), root); err != nil || len(list) != 1 || list[0] != "6.1.0" {
		t.Errorf("Releases: %q, %v", list, err)
	}
	if _, err := modprobe.Releases(os.DirFS("/"), root+"/nowhere"); !errors.Is(err, modprobe.ErrNoTables) {
		t.Errorf("Releases of nothing: %v", err)
	}
}

// TestCheckWorst: of the modules that an alias stands for, Check returns the verdict on the worst, wherever it is.
func TestCheckWorst(t *testing.T) {
	const magic = "6.1.0 SMP mod_unload modversions "
	layout := kmodtest.Import{Name: "module_layout", CRC: 0x11, VersionOnly: true}
	fine := kmodtest.Module{Name: "fine", Vermagic: magic, Aliases: []string{"x:first", "x:second"}, Imports: []kmodtest.Import{layout}}
	needy := kmodtest.Module{Name: "needy", Vermagic: magic, Aliases: []string{"x:first"},
		Imports: []kmodtest.Import{layout, {Name: "gone", CRC: 1}}}
	early := needy
	early.Name, early.Aliases = "early", []string{"x:second"}
	o := modprobe.Options{Dir: kmodtest.Tree(t, "6.1.0", fine, needy, early), Release: "6.1.0", NoConfig: true}
	build := filepath.Join(o.Dir, "lib/modules/6.1.0/build")
	if err := os.Mkdir(build, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(build, "Module.symvers"), []byte("0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := modprobe.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	for _, alias := range []string{"x:first", "x:second"} {
		all, err := checker(t, o, nil).Check(alias)
		if err != nil || len(all) != 2 || all[0].Outcome == all[1].Outcome {
			t.Fatalf("%s: %+v, %+v, %v; want two different verdicts", alias, all[0], all[1], err)
		}
		if v, err := check.Module(context.Background(), p, alias); err != nil || v.Outcome != check.Unknown {
			t.Errorf("%s: %+v, %v; want UNKNOWN", alias, v, err)
		}
	}
}

// TestCheckConfig: what the running kernel was built with is read from /proc/config.gz where /boot has nothing, and
// no more of it than a configuration can have.
func TestCheckConfig(t *testing.T) {
	const release, forced = "6.1.0", "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_FORCE=y\n"
	magic := release + " SMP mod_unload modversions "
	for _, test := range []struct {
		name, running, proc, boot string
		refused                   bool
	}{
		{"/proc", release, forced, "", true},
		{"of another kernel", "6.1.1", forced, "", false},
		{"/boot comes first", release, forced, "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n# CONFIG_MODULE_SIG_FORCE is not set\n", false},
		{"too large", release, forced + strings.Repeat("#", 9<<20), "", false},
	} {
		root := kmodtest.Tree(t, release, kmodtest.Module{Name: "a", Vermagic: magic})
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		io.WriteString(z, test.proc)
		z.Close()
		write(t, root, "proc/config.gz", packed.String())
		if test.boot != "" {
			write(t, root, "boot/config-"+release, test.boot)
		}
		c := checker(t, modprobe.Options{FS: os.DirFS(root), Release: release, NoConfig: true, Kernel: &modprobetest.Kernel{Version: test.running}}, nil)
		v := verdict(t, c, "a")
		if refused := slices.ContainsFunc(v.Findings, func(f check.Finding) bool { return f.Kind == "signature" && f.Fatal }); refused != test.refused {
			t.Errorf("%s: %+v", test.name, v)
		}
	}
}

// write makes a file below root.
func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

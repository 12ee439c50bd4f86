//go:build linux

package check_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// kbuild builds a module out of the kernel's tree with that kernel's own makefiles, and returns its file. Words are
// more arguments for make.
func kbuild(t *testing.T, key, name, source string, words ...string) (file string) {
	t.Helper()
	_, release := kmodtest.Corpus(t, key)
	dir := t.TempDir()
	for file, text := range map[string]string{"Makefile": "obj-m := " + name + ".o\n", name + ".c": "#include <linux/module.h>\n" + source} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	headers := filepath.Join(kmodtest.Fetch(t, "kbuild", key), "root/usr/src/linux-headers-"+release)
	out, err := exec.Command("make", append([]string{"-C", headers, "M=" + dir, "modules"}, words...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return filepath.Join(dir, name+".ko")
}

// TestKbuild builds two modules as people do, one of which uses the other, in all the ways in which that goes wrong.
// The kernel then says the same of them as the prediction.
func TestKbuild(t *testing.T) {
	if os.Getenv("GOMODPROBE_FIELD") == "" {
		t.Skip("set GOMODPROBE_FIELD=1: it fetches what modules are built with")
	}
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Programs(t, "make", "gcc-12")
	const (
		key     = "6.1"
		gpl     = "\nMODULE_LICENSE(\"GPL\");\n"
		imports = "extern int bar_api(int);\nstatic int __init begin(void) { return bar_api(1) ? 0 : -1; }\nstatic void __exit end(void) {}\n" +
			"module_init(begin);\nmodule_exit(end);" + gpl
	)
	dir := func(file string) string { return filepath.Dir(file) }
	plain := kbuild(t, key, "bar", "int bar_api(int n) { return n + 1; }\nEXPORT_SYMBOL_GPL(bar_api);"+gpl)
	other := kbuild(t, key, "bar", "long bar_api(long n) { return n + 1; }\nEXPORT_SYMBOL_GPL(bar_api);"+gpl)
	spaced := kbuild(t, key, "bar", "int bar_api(int n) { return n + 1; }\nEXPORT_SYMBOL_NS_GPL(bar_api, BAR);"+gpl)
	noCRC := filepath.Join(t.TempDir(), "Module.symvers")
	if err := os.WriteFile(noCRC, []byte("0x00000000\tbar_api\tbar\tEXPORT_SYMBOL_GPL\t\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	extra := "KBUILD_EXTRA_SYMBOLS=" + dir(plain) + "/Module.symvers"
	foo := kbuild(t, key, "foo", imports, extra)
	fooSpace := kbuild(t, key, "foo", imports+"MODULE_IMPORT_NS(BAR);\n", extra)
	fooNone := kbuild(t, key, "foo", imports, "KBUILD_MODPOST_WARN=1")
	fooZero := kbuild(t, key, "foo", imports, "KBUILD_EXTRA_SYMBOLS="+noCRC)

	k := kernelOf(t, key)
	for i, guest := range []struct {
		bar    string
		trials []kbuildTrial
	}{
		{plain, []kbuildTrial{
			{"foo, built with bar's Module.symvers", foo, 0, check.LoadsTaints, 0, ""},
			{"foo, without", fooNone, 0, check.Fails, syscall.EINVAL, check.KindNoVersion},
			{"foo, without, forced", fooNone, modprobe.IgnoreModversions, check.LoadsTaints, 0, ""},
			{"foo, with a line made by hand", fooZero, 0, check.Fails, syscall.EINVAL, check.KindVersion},
			{"foo, which imports a namespace that is none", fooSpace, 0, check.LoadsTaints, 0, ""},
		}},
		{other, []kbuildTrial{
			{"foo, built with another bar", foo, 0, check.Fails, syscall.EINVAL, check.KindVersion},
			{"foo, built with another bar, forced", foo, modprobe.IgnoreModversions, check.LoadsTaints, 0, ""},
		}},
		{spaced, []kbuildTrial{
			{"foo, which does not import the namespace", foo, 0, check.Fails, syscall.EINVAL, check.KindNamespace},
			{"foo, which does", fooSpace, 0, check.LoadsTaints, 0, ""},
		}},
	} {
		c := newCourse(t, key, k)
		k.Modules = nil
		c.expect(t, kbuildTrial{"foo, before bar", foo, 0, check.Fails, syscall.ENOENT, check.KindMissing})
		c.add("kbuild", "bar", readModule(t, guest.bar), 0, true)
		exports := kernel.NewTable("bar", kernel.ReadModule("bar", readModule(t, guest.bar)).Exports)
		k.Modules = func(symbol string) (kernel.Symbol, bool) {
			s, answer := exports.Lookup(symbol)
			return s, answer == kernel.Found
		}
		for _, trial := range guest.trials {
			c.expect(t, trial)
		}
		t.Run([]string{"plain", "other", "spaced"}[i], func(t *testing.T) { c.run(t, key) })
	}
}

// A kbuildTrial is what should come out of a module.
type kbuildTrial struct {
	name    string
	file    string
	flags   int
	outcome check.Outcome
	errno   syscall.Errno
	kind    check.Kind // of what it fails for
}

// expect adds a trial to a course, if the prediction is what it should be.
func (c *course) expect(t *testing.T, want kbuildTrial) {
	t.Helper()
	v := c.add("kbuild", want.name, readModule(t, want.file), want.flags, false)
	i := slices.IndexFunc(v.Findings, func(r check.Finding) bool { return r.Fatal })
	if v.Outcome != want.outcome || v.Errno != want.errno || (i >= 0) != (want.kind != "") || i >= 0 && v.Findings[i].Kind != want.kind {
		t.Errorf("%s: %v, %v, %+v", want.name, v.Outcome, v.Errno, v.Findings)
	}
	if strings.Contains(want.name, "forced") && !slices.ContainsFunc(v.Taints, func(t check.Taint) bool { return t.Letter == "F" }) {
		t.Errorf("%s: not marked as forced: %v", want.name, v.Taints)
	}
}

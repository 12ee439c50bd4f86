package tool_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// depmodIn makes a tree and returns a function that runs depmod with its root as the current directory.
func depmodIn(t *testing.T, text string) (root string, run func(args ...string) (status int, stdout, stderr string)) {
	t.Helper()
	spec, err := kmodtest.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	if spec.Order == nil {
		spec.Order = []string{}
	}
	if spec.Builtins == nil {
		spec.Builtins = []kmodtest.Builtin{}
	}
	root = spec.Tree(t)
	return root, func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args:      append([]string{"depmod"}, args...),
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        os.DirFS("/"),
			Stdout:    &stdout,
			Stderr:    &stderr,
			Cwd:       func() (string, error) { return root, nil },
		})
		return status, stdout.String(), strings.ReplaceAll(stderr.String(), root, "ROOT")
	}
}

const depmodTwo = "module kernel/a.ko\n export a_symbol 1\nmodule kernel/b.ko\n import a_symbol 1\n"

// TestDepmodConfigFile: a file without a slash in its name, on which kmod 34.2 crashes, is read.
func TestDepmodConfigFile(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	writeText(t, filepath.Join(root, "x.conf"), "nonsense\nexclude b.ko\n")
	status, stdout, stderr := run("-n", "-b", ".", "-C", "x.conf", "6.1.0")
	if want := "depmod: ERROR: x.conf:1: ignoring bad line starting with 'nonsense'\n"; status != 0 || stderr != want || strings.Contains(stdout, "b.ko") {
		t.Errorf("status %d, stderr %q, stdout:\n%s", status, stderr, stdout)
	}
}

// TestDepmodMessages: what kmod says with the number of a file or a stale errno in it, or without a slash, is said in
// full.
func TestDepmodMessages(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	if err := os.Symlink("nowhere", filepath.Join(root, "lib/modules/6.1.0/kernel/gone.ko")); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(root, "conf/a.conf"), "")
	if err := os.Symlink("nowhere", filepath.Join(root, "conf/gone.conf")); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(root, "Module.symvers"), "zz printk vmlinux EXPORT_SYMBOL\n")
	status, _, stderr := run("-n", "-b", root, "-C", "conf", "-E", "Module.symvers", "6.1.0")
	want := `depmod: ERROR: Module.symvers:1 Invalid symbol version zz: Invalid argument
depmod: ERROR: Cannot stat directory entry: conf/gone.conf
depmod: WARNING: could not stat ROOT/lib/modules/6.1.0/kernel/gone.ko: No such file or directory
`
	if status != 0 || stderr != want {
		t.Errorf("status %d, stderr:\n%s\nwant:\n%s", status, stderr, want)
	}
}

// TestDepmodRoot: below -b absolute links are followed inside, for what is read and for what is written, and the
// folder of the modules may be below /usr/lib.
func TestDepmodRoot(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	link := func(target, name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, to)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(root, from), filepath.Join(root, to)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(dir string) {
		t.Helper()
		if status, _, stderr := run("-b", root, "6.1.0"); status != 0 || stderr != "" {
			t.Errorf("status %d: %s", status, stderr)
		}
		data, err := os.ReadFile(filepath.Join(root, dir, "modules.dep"))
		if want := "kernel/b.ko: kernel/a.ko\nkernel/a.ko:\n"; err != nil || string(data) != want {
			t.Errorf("modules.dep: %q, %v; want %q", data, err, want)
		}
		if status, stdout, stderr := run("--check", "-b", root, "6.1.0"); status != 0 || stdout+stderr != "" {
			t.Errorf("--check: status %d: %s%s", status, stdout, stderr)
		}
	}
	move("lib/modules/6.1.0/kernel", "store/k1")
	link("/store/k1", "lib/modules/6.1.0/kernel")
	check("lib/modules/6.1.0")
	move("lib/modules", "usr/lib/modules")
	check("usr/lib/modules/6.1.0")
	if err := os.Remove(filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	link("/usr/lib", "lib")
	check("usr/lib/modules/6.1.0")
}

// TestDepmodFolder: a folder that cannot be read may have modules, so the tables stay as they are.
func TestDepmodFolder(t *testing.T) {
	if kmodtest.AsNobody(t) {
		return
	}
	root, run := depmodIn(t, depmodTwo)
	dep := filepath.Join(root, "lib/modules/6.1.0/modules.dep")
	if status, _, stderr := run("-b", root, "6.1.0"); status != 0 {
		t.Fatal(stderr)
	}
	before, err := os.ReadFile(dep)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(root, "lib/modules/6.1.0/kernel")
	if err := os.Chmod(folder, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(folder, 0o755) })
	status, _, stderr := run("-b", root, "6.1.0")
	after, err := os.ReadFile(dep)
	if status != 1 || !strings.Contains(stderr, "ROOT/lib/modules/6.1.0/kernel: Permission denied") || err != nil || !bytes.Equal(before, after) {
		t.Errorf("status %d: %s; modules.dep %q, %v", status, stderr, after, err)
	}
	if status, _, _ := run("--keep-going", "-b", root, "6.1.0"); status != 0 {
		t.Errorf("--keep-going: status %d", status)
	}
}

// TestDepmodBroken: a broken module is named with what is wrong, and the tables stay as they are.
func TestDepmodBroken(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	image := kmodtest.Module{Name: "cut"}.Bytes()
	writeText(t, filepath.Join(root, "lib/modules/6.1.0/cut.ko"), string(image[:300]))
	status, _, stderr := run("-b", ".", "-C", "none", "6.1.0")
	if lines := strings.SplitAfter(stderr, "\n"); status != 1 || len(lines) != 4 ||
		lines[0] != "depmod: ERROR: failed to load symbols from ROOT/./lib/modules/6.1.0/cut.ko: Invalid argument\n" ||
		!strings.Contains(lines[1], "cut.ko: section header table") || !strings.Contains(lines[2], "--keep-going") {
		t.Errorf("status %d, stderr:\n%s", status, stderr)
	}
	if _, err := os.Stat(filepath.Join(root, "lib/modules/6.1.0/modules.dep")); err == nil {
		t.Error("there is a modules.dep")
	}
	status, _, stderr = run("--keep-going", "-b", ".", "-C", "none", "6.1.0")
	if status != 0 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("--keep-going: status %d, stderr:\n%s", status, stderr)
	}
}

func TestDepmodCheckJSON(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	if status, stdout, stderr := run("-b", ".", "-C", "none", "6.1.0"); status != 0 || stdout+stderr != "" {
		t.Fatalf("status %d: %s%s", status, stdout, stderr)
	}
	if status, stdout, stderr := run("--check", "-b", ".", "-C", "none", "6.1.0"); status != 0 || stdout+stderr != "" {
		t.Errorf("--check of good tables: status %d: %s%s", status, stdout, stderr)
	}
	writeText(t, filepath.Join(root, "lib/modules/6.1.0/modules.softdep"), "softdep x pre: y\n")
	os.Remove(filepath.Join(root, "lib/modules/6.1.0/modules.order"))
	status, stdout, _ := run("--check", "-b", ".", "-C", "none", "6.1.0")
	if status != 1 || !strings.Contains(stdout, "modules.softdep: differs: 1 lines too many, 1 missing\n-softdep x pre: y\n+# Soft") {
		t.Errorf("--check: status %d:\n%s", status, stdout)
	}
	status, stdout, stderr := run("--check", "--json", "-b", ".", "-C", "none", "6.1.0")
	var got struct {
		Release     string
		Error       *string
		Problems    []struct{ Kind, Text, Path, Message string }
		Differences []struct {
			Table            string
			Surplus, Lacking []string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || stderr != "" || status != 1 {
		t.Fatalf("--json: status %d, %v, stderr %q\n%s", status, err, stderr, stdout)
	}
	if got.Release != "6.1.0" || got.Error != nil || len(got.Problems) != 1 || got.Problems[0].Kind != "missing" || got.Problems[0].Text != "modules.order" ||
		len(got.Differences) != 1 || got.Differences[0].Table != "modules.softdep" || len(got.Differences[0].Surplus) != 1 {
		t.Errorf("--json:\n%s", stdout)
	}
}

// TestDepmodCache: with a cache the tables are the same; a damaged cache is made anew.
func TestDepmodCache(t *testing.T) {
	root, run := depmodIn(t, depmodTwo)
	cache := filepath.Join(root, "cache")
	for _, damage := range []string{"", "x", ""} {
		if damage != "" {
			writeText(t, cache, damage)
		}
		if status, stdout, stderr := run("--cache="+cache, "-b", ".", "-C", "none", "6.1.0"); status != 0 || stdout+stderr != "" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
		if status, stdout, _ := run("--check", "-b", ".", "-C", "none", "6.1.0"); status != 0 {
			t.Errorf("the tables are wrong:\n%s", stdout)
		}
		if data, err := os.ReadFile(cache); err != nil || !strings.HasPrefix(string(data), "gomodprobe facts") {
			t.Errorf("cache: %.20q, %v", data, err)
		}
	}
}

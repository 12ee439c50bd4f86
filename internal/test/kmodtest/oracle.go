package kmodtest

import (
	"bytes"
	_ "embed" // fetch.sh
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

//go:embed fetch.sh
var fetchScript string

// Missing skips the test because the machine lacks something it needs, or fails it where nothing may be
// missing: when CI=true.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("with CI=true nothing may be missing: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Programs skips the test, or fails it with CI=true, if one of the programs is not installed. "make need" installs what
// the tests want.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, "%s is not installed", name)
		}
	}
}

// Long skips a test that takes minutes, unless GOMODPROBE_LONG is set: make test-long sets it.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv("GOMODPROBE_LONG") == "" {
		t.Skip("takes long; run by make test-long")
	}
}

// CacheDir is the folder that keeps downloads between runs.
func CacheDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("GOMODPROBE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		Missing(t, "no cache folder: %v", err)
	}
	return filepath.Join(dir, "gomodprobe")
}

// Fetch runs fetch.sh and returns the folder it prints. It skips the test where apt or the network is missing, and with
// -short if the folder is not in the cache: then nothing is fetched.
func Fetch(t testing.TB, args ...string) (dir string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		Missing(t, "Debian's packages are unpacked on Linux only")
	}
	want := strings.Join(args, " ")
	if testing.Short() {
		args = append([]string{"-cached"}, args...)
	}
	cmd := exec.Command("sh", append([]string{"-c", fetchScript, "fetch.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "GOMODPROBE_CACHE="+CacheDir(t), "GOMODPROBE_RUN="+runName())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return strings.TrimSpace(string(out))
	case errors.As(err, &exit) && exit.ExitCode() == 4:
		t.Skipf("-short: %s is not in the cache, and nothing is fetched", want)
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		said := strings.TrimSpace(stderr.String())
		t.Log(said)
		_, reason, _ := strings.Cut(said[strings.LastIndexByte(said, '\n')+1:], "fetch: ")
		Missing(t, "cannot fetch %s: %s", want, reason)
	case errors.Is(err, exec.ErrNotFound):
		Missing(t, "cannot fetch %s: %v", want, err)
	}
	t.Fatalf("fetch.sh %s: %v\n%s", want, err, stderr.Bytes())
	return ""
}

// runName names the run of tests this process belongs to by the process that started it: that of "go test", which
// starts the tests of all packages. The parent's number alone would be given to another process one day, so that its
// start time is part of the name.
func runName() string {
	parent := os.Getppid()
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", parent))
	// The second field, the program's name in parentheses, may contain anything; the start is the 22nd.
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(rest) < 20 {
		return strconv.Itoa(parent)
	}
	return fmt.Sprintf("%d-%s", parent, rest[19])
}

// OracleCmd is real kmod, run on its own loader and libraries.
type OracleCmd struct {
	// Dir is the folder the packages are unpacked in.
	Dir string
	// Loader, Libs and Kmod are the parts of the command line: LOADER --argv0 NAME --library-path LIBS KMOD ARGS.
	Loader, Libs, Kmod string
}

// Oracle returns kmod 34.2, the version whose behaviour is the standard.
func Oracle(t testing.TB) *OracleCmd { t.Helper(); return oracle(t, "oracle") }

// Oracle30 returns Debian 12's kmod 30, a second opinion.
func Oracle30(t testing.TB) *OracleCmd { t.Helper(); return oracle(t, "oracle30") }

func oracle(t testing.TB, name string) *OracleCmd {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		Missing(t, "the oracle is a program for linux/amd64")
	}
	dir := filepath.Join(CacheDir(t), name)
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		dir = Fetch(t, name)
	}
	o := &OracleCmd{Dir: dir}
	var libs []string
	for _, usr := range []string{"usr/", ""} {
		lib := filepath.Join(dir, "root", usr+"lib/x86_64-linux-gnu")
		if exists(lib) {
			libs = append(libs, lib)
		}
		for _, ld := range []string{lib, filepath.Join(dir, "root", usr+"lib64")} {
			if name := filepath.Join(ld, "ld-linux-x86-64.so.2"); o.Loader == "" && exists(name) {
				o.Loader = name
			}
		}
		if name := filepath.Join(dir, "root", usr+"bin/kmod"); o.Kmod == "" && exists(name) {
			o.Kmod = name
		}
	}
	o.Libs = strings.Join(libs, ":")
	if o.Loader == "" || o.Kmod == "" {
		t.Fatalf("no kmod in %s; remove the folder and run again", dir)
	}
	return o
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Command returns kmod as a tool: argv0 is what it sees as its own name.
func (o *OracleCmd) Command(argv0 string, args ...string) *exec.Cmd {
	return exec.Command(o.Loader, append([]string{"--argv0", argv0, "--library-path", o.Libs, o.Kmod}, args...)...)
}

// Depmod writes the tables of ROOT/lib/modules/RELEASE and fails the test if kmod's depmod says anything.
func (o *OracleCmd) Depmod(t testing.TB, root, release string) {
	t.Helper()
	if out, err := o.Command("depmod", "-b", root, release).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("kmod's depmod: %v\n%s", err, out)
	}
}

// Corpus returns the folder of a Debian kernel: dir/lib/modules/RELEASE with kmod's tables, dir/boot/vmlinuz and
// dir/boot/config. Nobody may write there. Keys are those of fetch.sh: 6.1, 6.1-prev, 6.12-cloud, 6.1:s390x.
func Corpus(t testing.TB, key string) (dir, release string) {
	t.Helper()
	dir = filepath.Join(CacheDir(t), "kernels", strings.ReplaceAll(key, ":", "@"))
	if !exists(filepath.Join(dir, "release")) {
		dir = Fetch(t, "kernel", key)
	}
	return dir, readRelease(t, dir)
}

// CorpusModules calls do with every nth module of a corpus kernel: a name in the folder of its release.
func CorpusModules(t testing.TB, key string, nth int, do func(tree fs.FS, name string)) {
	t.Helper()
	dir, release := Corpus(t, key)
	tree := os.DirFS(filepath.Join(dir, "lib", "modules", release))
	i := 0
	err := fs.WalkDir(tree, "kernel", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, ".ko") {
			return err
		}
		if i++; i%nth == 0 {
			do(tree, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// CorpusTree returns the modules of a Debian kernel in another compression: ext is xz, zst, gz or none. The tree is
// made once and kept in the cache, with kmod's tables, except for gz, which kmod as Debian builds it cannot read.
// Nobody may write there.
func CorpusTree(t testing.TB, key, ext string) (dir, release string) {
	t.Helper()
	dir = filepath.Join(CacheDir(t), "trees", strings.ReplaceAll(key, ":", "@")+"-"+ext)
	if !exists(filepath.Join(dir, "release")) {
		dir = Fetch(t, "tree", key, ext)
	}
	return dir, readRelease(t, dir)
}

func readRelease(t testing.TB, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "release"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

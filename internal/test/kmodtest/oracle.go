package kmodtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

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

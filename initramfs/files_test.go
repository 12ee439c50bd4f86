package initramfs

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// pathsOf returns the paths of entries, links with what they lead to.
func pathsOf(entries []Entry) (paths []string) {
	for _, e := range entries {
		switch {
		case e.Mode.IsDir():
			paths = append(paths, e.Path+"/")
		case e.Mode&fs.ModeSymlink != 0:
			paths = append(paths, e.Path+" -> "+e.Target)
		default:
			paths = append(paths, e.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// TestFilesScripts: scripts bring their interpreters, with the links on the way; folders are packed whole.
func TestFilesScripts(t *testing.T) {
	file := func(text string, mode fs.FileMode) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(text), Mode: mode}
	}
	fsys := fstest.MapFS{
		"bin":             file("usr/bin", fs.ModeSymlink|0o777),
		"usr/bin/sh":      file("dash", fs.ModeSymlink|0o777),
		"usr/bin/dash":    file("shell", 0o755),
		"usr/bin/env":     file("env", 0o755),
		"usr/bin/python3": file("python", 0o755),
		"hook":            file("#! /bin/sh -e\n", 0o755),
		"hook.py":         file("#!/usr/bin/env -S A=b python3\n", 0o755),
		"data":            file("#!/bin/none\n", 0o644),
		"bad":             file("#!/bin/none\n", 0o755),
		"secret":          file("key", 0o600),
		"dir/a":           file("#!/bin/sh\n", 0o755),
		"dir/sub/b":       file("b", 0o644),
		"dir/sub/link":    file("../a", fs.ModeSymlink|0o777),
		"dir/out":         file("../secret", fs.ModeSymlink|0o777),
		"dir/dangling":    file("/none", fs.ModeSymlink|0o777),
	}
	base := new(Base)
	base.Add("bin", fs.ModeDir|0o755, "")
	base.Add("bin/sh", 0o755, "")
	for _, tt := range []struct {
		name, file, to string
		base           *Base
		want           []string
		wantErr        string
	}{
		{"sh", "hook", "etc/h", nil, []string{"bin -> usr/bin", "etc/h", "usr/bin/dash", "usr/bin/sh -> dash"}, ""},
		{"base has the shell", "hook", "etc/h", base, []string{"etc/h"}, ""},
		{"env", "hook.py", "hook.py", nil, []string{"hook.py", "usr/bin/env", "usr/bin/python3"}, ""},
		{"not to be started", "data", "data", nil, []string{"data"}, ""},
		{"no interpreter", "bad", "b", nil, nil, "/bad: its interpreter /bin/none: no such file"},
		{"folder", "dir", "etc/d", nil, []string{
			"bin -> usr/bin", "etc/d/", "etc/d/a", "etc/d/dangling -> /none", "etc/d/out -> /secret", "etc/d/sub/", "etc/d/sub/b",
			"etc/d/sub/link -> ../a", "secret", "usr/bin/dash", "usr/bin/sh -> dash"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFiles(tt.base)
			err := f.Add(NewSystem(fsys), tt.file, tt.to)
			var entries []Entry
			if err == nil {
				entries, err = f.Entries()
			}
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, pathsOf(entries)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got, want := Private(entries), tt.name == "folder"; got != want {
				t.Errorf("private: %v, want %v", got, want)
			}
		})
	}
}

// TestFilesLdd: the libraries of programs of this machine are those that ldd finds.
func TestFilesLdd(t *testing.T) {
	kmodtest.Programs(t, "ldd")
	tested := 0
	for _, program := range []string{"bash", "ip", "qemu-system-x86_64", "cryptsetup", "lvm", "mdadm", "btrfs", "mount.nfs", "python3", "xz"} {
		at, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		out, err := exec.Command("ldd", at).Output()
		if err != nil {
			continue // it is static
		}
		tested++
		want := make(map[string]bool)
		for word := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(word, "/") {
				real, err := filepath.EvalSymlinks(word)
				if err != nil {
					t.Fatal(err)
				}
				want[real] = true
			}
		}
		real, err := filepath.EvalSymlinks(at)
		if err != nil {
			t.Fatal(err)
		}
		want[real] = true
		f := NewFiles(nil)
		if err := f.AddProgram(NewSystem(os.DirFS("/")), program); err != nil {
			t.Fatal(err)
		}
		entries, err := f.Entries()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]bool)
		for _, e := range entries {
			if e.Mode.IsRegular() && e.Path != "etc/ld.so.cache" {
				got["/"+e.Path] = true
			}
		}
		if program == "cryptsetup" {
			maps.DeleteFunc(got, func(name string, _ bool) bool {
				return !want[name] && (strings.Contains(name, "legacy.so") || strings.Contains(name, "libgcc_s"))
			})
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s, -ldd +got:\n%s", program, diff)
		}
	}
	if tested == 0 {
		t.Skip("none of the programs is here")
	}
}

// TestFilesSearch: libraries beside a program, those of ld.so.conf, and those that are for another machine or nowhere.
func TestFilesSearch(t *testing.T) {
	kmodtest.Programs(t, "gcc")
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cc := func(args ...string) {
		t.Helper()
		cmd := exec.Command("gcc", append([]string{"-nostdlib", "-Wl,--dynamic-linker=/lib/loader", "-Wl,--no-as-needed"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gcc %q: %v\n%s", args, err, out)
		}
	}
	write("a.c", "int a(void) { return 1; }")
	write("b.c", "int a(void); int b(void) { return a(); }")
	write("m.c", "int b(void); void _start(void) { b(); }")
	write("opt/lib/x", "")
	write("usr/bin/x", "")
	write("lib/loader", "the loader")
	cc("-shared", "-fPIC", "-o", "opt/lib/liba.so", "a.c")
	cc("-shared", "-fPIC", "-o", "opt/lib/libb.so", "b.c", "-Lopt/lib", "-la")
	cc("-o", "usr/bin/run", "m.c", "-Lopt/lib", "-lb", "-la", "-Wl,-rpath,$ORIGIN/../../opt/lib")
	cc("-o", "usr/bin/conf", "m.c", "-Lopt/lib", "-lb", "-la")
	closure := func(program string) ([]string, error) {
		f := NewFiles(nil)
		if err := f.AddProgram(NewSystem(sysroot.New(os.DirFS(dir))), program); err != nil {
			return nil, err
		}
		entries, err := f.Entries()
		return pathsOf(entries), err
	}
	want := []string{"lib/loader", "opt/lib/liba.so", "opt/lib/libb.so", "usr/bin/run"}
	// The library b has no path of its own: DT_RUNPATH counts for the program alone, so that a comes by the program.
	got, err := closure("run")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	_, err = closure("/usr/bin/conf")
	if err == nil || !strings.Contains(err.Error(), "/usr/bin/conf: the library libb.so is not there; looked for in /lib") {
		t.Errorf("without ld.so.conf: %v", err)
	}
	write("usr/lib/libb.so", "\x7fELF\x02\x01 of another machine")
	write("etc/ld.so.conf", "# folders\ninclude ld.so.conf.d/*.conf\n")
	write("etc/ld.so.conf.d/opt.conf", "/none:/opt/lib\n")
	write("etc/ld.so.cache", "glibc-ld.so.cache1.1")
	got, err = closure("conf")
	want = []string{"etc/ld.so.cache", "lib/loader", "opt/lib/liba.so", "opt/lib/libb.so", "usr/bin/conf"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ld.so.conf: %v, -want +got:\n%s", err, diff)
	}
}

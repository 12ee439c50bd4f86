package sysroot_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// TestHost: it is a file system as fstest wants it, and says what os.DirFS says.
func TestHost(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths are others here")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "text", "sub/b": "", "sub/c.conf": "x\n"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("sub/c.conf", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sysroot.Host(dir), "a", "sub/b", "sub/c.conf", "link"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{dir[1:] + "/nosuch", dir[1:] + "/a/b", dir, "../x", ""} {
		_, err := sysroot.Host("/").Open(name)
		_, want := os.DirFS("/").Open(name)
		if err == nil || err.Error() != want.Error() {
			t.Errorf("Open(%q): %v; os.DirFS says %v", name, err, want)
		}
		_, err = fs.Stat(sysroot.Host("/"), name)
		_, want = fs.Stat(os.DirFS("/"), name)
		if err == nil || err.Error() != want.Error() {
			t.Errorf("Stat(%q): %v; os.DirFS says %v", name, err, want)
		}
	}
}

// TestHostBytes: file names need not be UTF-8.
func TestHostBytes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere file names may have to be UTF-8")
	}
	name := filepath.Join(t.TempDir(), "caf\xe9.ko")
	if err := os.WriteFile(name, []byte("text"), 0o644); err != nil {
		if errors.Is(err, os.ErrInvalid) {
			t.Skip("not on this file system")
		}
		t.Fatal(err)
	}
	f, err := sysroot.Host("/").Open(name[1:])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || string(data) != "text" {
		t.Errorf("ReadAll = %q, %v", data, err)
	}
	if _, err := fs.Stat(sysroot.Host("/"), name[1:]); err != nil {
		t.Error(err)
	}
}

//go:build linux

package trusted_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// stranger is another user.
const stranger = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644))
	return name
}

// TestReadFile: what is no regular file, or too large, is refused at once, whichever file system it is read through.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "text")
	must(t, os.Symlink("a", filepath.Join(dir, "link")), os.Symlink("/dev/zero", filepath.Join(dir, "zero")),
		os.Symlink("/proc/self/status", filepath.Join(dir, "proc")), os.Mkdir(filepath.Join(dir, "folder"), 0o755),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	for name, fsys := range map[string]fs.FS{"Host": sysroot.Host(dir), "DirFS": os.DirFS(dir), "New": sysroot.New(sysroot.Host(dir)),
		"NewDirFS": sysroot.New(os.DirFS(dir))} {
		for _, file := range []string{"a", "link"} {
			if data, err := trusted.ReadFile(fsys, file, 4); err != nil || string(data) != "text" {
				t.Errorf("%s: %s: %q, %v", name, file, data, err)
			}
			if _, err := trusted.ReadFile(fsys, file, 3); !errors.Is(err, trusted.ErrTooLarge) {
				t.Errorf("%s: %s of more than the limit: %v", name, file, err)
			}
		}
		for _, file := range []string{"zero", "fifo", "folder", "nosuch"} {
			if _, err := trusted.ReadFile(fsys, file, 10); err == nil {
				t.Errorf("%s: %s was read", name, file)
			}
		}
	}
	if data, err := trusted.ReadFile(sysroot.Host(dir), "proc", 1<<20); err != nil || !bytes.Contains(data, []byte("Pid:")) {
		t.Errorf("a file that says its size is 0: %q, %v", data, err)
	}
	if _, err := trusted.ReadFile(sysroot.Host(dir), "proc", 10); !errors.Is(err, trusted.ErrTooLarge) {
		t.Errorf("a file that says its size is 0, and has more than the limit: %v", err)
	}
	m := fstest.MapFS{"x": {Data: []byte("y")}}
	if data, err := trusted.ReadOwned(m, "x", 10); err != nil || string(data) != "y" {
		t.Errorf("ReadOwned of no file of the system: %q, %v", data, err)
	}
}

// TestOwned: what others can write, or can put in the place of a file, is not believed.
func TestOwned(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name    string
		prepare func(dir string) error // of dir/sub/a
		open    string
		links   bool
		ok      bool
	}{
		{"root's", func(string) error { return nil }, "sub/a", false, true},
		{"a stranger's file", func(d string) error { return os.Chown(d+"/sub/a", stranger, 0) }, "sub/a", true, false},
		{"a file that all can write", func(d string) error { return os.Chmod(d+"/sub/a", 0o666) }, "sub/a", true, false},
		{"a file that root's group can write", func(d string) error { return os.Chmod(d+"/sub/a", 0o664) }, "sub/a", true, true},
		{"a file that another group can write", func(d string) error {
			return errors.Join(os.Chown(d+"/sub/a", 0, stranger), os.Chmod(d+"/sub/a", 0o664))
		}, "sub/a", true, false},
		{"a stranger's folder", func(d string) error { return os.Chown(d+"/sub", stranger, 0) }, "sub/a", true, false},
		{"a stranger's folder above", func(d string) error { return os.Chown(d, stranger, 0) }, "sub/a", true, false},
		{"a folder that all can write", func(d string) error { return os.Chmod(d+"/sub", 0o777) }, "sub/a", true, false},
		{"a file in a sticky folder", func(d string) error { return os.Chmod(d+"/sub", 0o777|fs.ModeSticky) }, "sub/a", true, false},
		{"a folder in a sticky folder", func(d string) error { return os.Chmod(d, 0o777|fs.ModeSticky) }, "sub/a", true, true},
		{"a link", func(d string) error { return os.Symlink("sub/a", d+"/l") }, "l", true, true},
		{"an absolute link", func(d string) error { return os.Symlink(d+"/sub/a", d+"/l") }, "l", true, true},
		{"a link that is not followed", func(d string) error { return os.Symlink("sub/a", d+"/l") }, "l", false, false},
		{"a link to a folder on the way", func(d string) error { return os.Symlink("sub", d+"/l") }, "l/a", false, true},
		{"a link up and down", func(d string) error { return os.Symlink("../sub/a", d+"/sub/l") }, "sub/l", true, true},
		{"a loop", func(d string) error { return os.Symlink("l", d+"/l") }, "l", true, false},
		{"a link in a stranger's folder", func(d string) error {
			return errors.Join(os.Mkdir(d+"/his", 0o755), os.Symlink(d+"/sub/a", d+"/his/l"), os.Chown(d+"/his", stranger, 0))
		}, "his/l", true, false},
		{"root's link in a sticky folder", func(d string) error {
			return errors.Join(os.Mkdir(d+"/tmp", 0o755), os.Chmod(d+"/tmp", 0o777|fs.ModeSticky), os.Symlink(d+"/sub/a", d+"/tmp/l"))
		}, "tmp/l", true, true},
		{"a stranger's link in a sticky folder", func(d string) error {
			return errors.Join(os.Mkdir(d+"/tmp", 0o755), os.Chmod(d+"/tmp", 0o777|fs.ModeSticky), os.Symlink(d+"/sub/a", d+"/tmp/l"),
				os.Lchown(d+"/tmp/l", stranger, stranger))
		}, "tmp/l", true, false},
		{"a link through a stranger's folder", func(d string) error {
			return errors.Join(os.Mkdir(d+"/his", 0o755), os.Symlink(d+"/his/../sub/a", d+"/l"), os.Chown(d+"/his", stranger, 0))
		}, "l", true, false},
		{"a FIFO", func(d string) error { return syscall.Mkfifo(d+"/f", 0o644) }, "f", true, false},
		{"a folder", func(string) error { return nil }, "sub", true, false},
		{"above the root", func(string) error { return nil }, strings.Repeat("../", 30) + "etc/passwd", true, true},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		write(t, dir+"/sub/a", "text")
		must(t, tt.prepare(dir))
		f, _, err := trusted.OpenOwned(dir+"/"+tt.open, tt.links)
		if err == nil {
			f.Close()
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestReplace: who reads a file that is replaced has the old or the new one; links, permissions and leftovers.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := write(t, filepath.Join(dir, "a"), "old")
	must(t, os.Chmod(name, 0o600), os.Symlink("a", filepath.Join(dir, "link")))
	dead := write(t, filepath.Join(dir, ".a.12345-0"), "killed")
	alive := write(t, filepath.Join(dir, ".a.12346-0"), "at work")
	other := write(t, filepath.Join(dir, ".a.conf.12345-0"), "of another file")
	lock, err := os.Open(alive)
	must(t, err, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	defer lock.Close()
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	must(t, trusted.Replace(filepath.Join(dir, "link"), true, text("new")))
	info, err := os.Lstat(name)
	if data, _ := os.ReadFile(name); err != nil || string(data) != "new" || info.Mode() != 0o600 {
		t.Errorf("%q, %v, %v", data, info, err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "a" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("a leftover stays")
	}
	for _, name := range []string{alive, other} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	wrong := errors.New("wrong")
	if err := trusted.Replace(name, true, func(w io.Writer) error { io.WriteString(w, "half"); return wrong }); err != wrong {
		t.Errorf("the error of writing became %v", err)
	}
	if data, _ := os.ReadFile(name); string(data) != "new" {
		t.Errorf("after an error: %q", data)
	}
	must(t, trusted.Replace(filepath.Join(dir, "fresh"), true, text("x")), trusted.Replace("/dev/null", true, text("x")))
	if list, _ := filepath.Glob(filepath.Join(dir, ".*")); len(list) != 2 {
		t.Errorf("left: %q", list)
	}
}

// TestReplaceStranger: what a stranger has put into a folder like /tmp decides neither what is written nor with which
// mode.
func TestReplaceStranger(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	victim := write(t, filepath.Join(dir, "victim"), "precious")
	tmp := filepath.Join(dir, "tmp")
	must(t, os.Mkdir(tmp, 0o755), os.Chmod(tmp, 0o777|fs.ModeSticky))
	link, fifo, file := filepath.Join(tmp, "link"), filepath.Join(tmp, "fifo"), write(t, filepath.Join(tmp, "file"), "his")
	must(t, os.Symlink(victim, link), os.Lchown(link, stranger, stranger), syscall.Mkfifo(fifo, 0o666), os.Lchown(fifo, stranger, stranger),
		os.Chmod(file, 0o666), os.Chown(file, stranger, stranger))
	text := func(w io.Writer) error { _, err := io.WriteString(w, "secret"); return err }
	for _, name := range []string{link, fifo} {
		var e *trusted.UntrustedError
		if err := trusted.Replace(name, false, text); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, _ := os.ReadFile(victim); string(data) != "precious" {
		t.Errorf("the file behind a stranger's link: %q", data)
	}
	must(t, trusted.Replace(file, false, text))
	info, err := os.Stat(file)
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || info.Mode().Perm()&0o022 != 0 {
		t.Errorf("a stranger's file became one of user %d, %v", st.Uid, info.Mode())
	}
}

// TestReplaceOwned: it makes folders, replaces links, and refuses folders of others.
func TestReplaceOwned(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "cache", "kernels", "image")
	must(t, trusted.ReplaceOwned(name, []byte("one"), 0))
	victim := write(t, filepath.Join(dir, "victim"), "precious")
	must(t, os.Remove(name), os.Symlink(victim, name))
	if _, err := trusted.ReadOwned(sysroot.Host("/"), name[1:], 10); !errors.Is(err, trusted.ErrLink) {
		t.Errorf("a link in a cache: %v", err)
	}
	must(t, trusted.ReplaceOwned(name, []byte("two"), 0))
	if data, err := trusted.ReadOwned(sysroot.Host("/"), name[1:], 10); err != nil || string(data) != "two" {
		t.Errorf("%q, %v", data, err)
	}
	if data, _ := os.ReadFile(victim); string(data) != "precious" {
		t.Errorf("the file behind a link: %q", data)
	}
	for i := range 20 {
		file := filepath.Join(dir, "cache", "kernels", string(rune('a'+i)))
		must(t, trusted.ReplaceOwned(file, nil, 0), os.Chtimes(file, time.Time{}, time.Unix(int64(1000+i), 0)))
	}
	must(t, trusted.ReplaceOwned(name, []byte("two"), 4))
	if list, err := os.ReadDir(filepath.Dir(name)); err != nil || len(list) != 4 || list[0].Name() != "image" && list[3].Name() != "t" {
		t.Errorf("kept %v, %v; want the newest 4", list, err)
	}
	needRoot(t)
	must(t, os.Chown(filepath.Join(dir, "cache"), stranger, stranger))
	var e *trusted.UntrustedError
	if err := trusted.ReplaceOwned(name, []byte("three"), 0); !errors.As(err, &e) {
		t.Errorf("below a stranger's folder: %v", err)
	}
	if _, err := trusted.ReadOwned(sysroot.Host("/"), name[1:], 10); !errors.As(err, &e) {
		t.Errorf("read below a stranger's folder: %v", err)
	}
}

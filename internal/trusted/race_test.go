//go:build linux

package trusted_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// tries is how often a race is run.
func tries() int {
	if os.Getenv("GOMODPROBE_LONG") != "" {
		return 2000
	}
	return 300
}

// swap has a stranger exchange two files while check is called again and again.
func swap(t *testing.T, name string, set []func() error, check func()) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			temp := name + ".next"
			os.Remove(temp)
			if err := set[i%len(set)](); err != nil {
				t.Error(err)
				return
			}
			os.Rename(temp, name)
		}
	})
	for range tries() {
		check()
	}
	close(stop)
	wg.Wait()
}

// TestConfigSwap: a stranger who exchanges his own text for a link to a file of root's is never believed, whenever he
// does it.
func TestConfigSwap(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "root.conf"), "root's")
	his := filepath.Join(dir, "his")
	name := filepath.Join(his, "a.conf")
	must(t, os.Mkdir(his, 0o755), os.Chown(his, stranger, stranger))
	fsys := sysroot.Host("/")
	swap(t, name, []func() error{
		func() error { return os.WriteFile(name+".next", []byte("evil"), 0o644) },
		func() error { return os.Symlink(good, name+".next") },
	}, func() {
		f, info, err := trusted.OpenInfo(fsys, name[1:])
		if err != nil {
			return
		}
		data, err := trusted.ReadOpen(f, info.Size(), 100)
		f.Close()
		if err == nil && trusted.Owned(fsys, name[1:], info) == nil {
			t.Errorf("%q was believed", data)
		}
	})
}

// TestCacheSwap: a stranger who exchanges a folder of a cache for another neither has his text believed nor ours
// written elsewhere.
func TestCacheSwap(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	victim := write(t, filepath.Join(mine, "image"), "precious")
	his := filepath.Join(dir, "his")
	name := filepath.Join(his, "cache")
	must(t, os.Mkdir(his, 0o755), os.Chown(his, stranger, stranger))
	swap(t, name, []func() error{
		func() error { os.RemoveAll(name); return os.MkdirAll(name+".next", 0o755) },
		func() error { os.RemoveAll(name); return os.Symlink(mine, name+".next") },
	}, func() {
		if data, err := trusted.ReadOwned(sysroot.Host("/"), name[1:]+"/image", 100); err == nil {
			t.Errorf("%q was believed", data)
		}
		if err := trusted.ReplaceOwned(name+"/image", []byte("cache"), 0); err == nil {
			t.Error("written through a stranger's folder")
		}
	})
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind a link: %q, %v", data, err)
	}
}

// TestOutputSwap: a stranger who exchanges his file in a folder like /tmp for a link does not have root write through
// it.
func TestOutputSwap(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	victim := write(t, filepath.Join(dir, "victim"), "precious")
	tmp := filepath.Join(dir, "tmp")
	name := filepath.Join(tmp, "out")
	must(t, os.Mkdir(tmp, 0o755), os.Chmod(tmp, 0o777|os.ModeSticky))
	swap(t, name, []func() error{
		func() error {
			if err := os.Symlink(victim, name+".next"); err != nil {
				return err
			}
			return os.Lchown(name+".next", stranger, stranger)
		},
		func() error {
			if err := os.WriteFile(name+".next", nil, 0o666); err != nil {
				return err
			}
			return os.Lchown(name+".next", stranger, stranger)
		},
	}, func() {
		trusted.Replace(name, false, func(w io.Writer) error {
			_, err := io.Copy(w, strings.NewReader("secret"))
			return err
		})
	})
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind a stranger's link: %q, %v", data, err)
	}
}

// TestTableSwap: a stranger who exchanges a table of his for a FIFO, a folder, or a link to what never ends keeps
// nobody waiting, and nothing but a whole file is read.
func TestTableSwap(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "modules.dep")
	text := strings.Repeat("kernel/a.ko: kernel/b.ko\n", 1000)
	read := 0
	swap(t, name, []func() error{
		func() error { return os.WriteFile(name+".next", []byte(text), 0o644) },
		func() error { return syscall.Mkfifo(name+".next", 0o644) },
		func() error { return os.Symlink("/dev/zero", name+".next") },
		func() error { return os.WriteFile(name+".next", []byte(text+text), 0o644) },
		func() error { return os.Symlink("/proc/self/mem", name+".next") },
	}, func() {
		data, err := trusted.ReadFile(sysroot.Host("/"), name[1:], int64(len(text)))
		if err == nil && string(data) != text {
			t.Errorf("%d bytes were read; want %d", len(data), len(text))
		}
		if err == nil {
			read++
		}
	})
	t.Logf("%d of %d tries read the table", read, tries())
}

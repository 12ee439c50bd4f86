package depmod_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// hostile makes a tree with one good module, for a test to add something to.
func hostile(t *testing.T) (dir string) {
	t.Helper()
	spec := &kmodtest.Spec{Release: "6.1.0", Modules: []kmodtest.Module{{Name: "good"}}, Order: []string{}, Builtins: []kmodtest.Builtin{}}
	return filepath.Join(spec.Tree(t), "lib/modules/6.1.0")
}

// problems makes the tables of a folder and returns what was met with on the way.
func problems(t *testing.T, dir string) (list []string, err error) {
	t.Helper()
	tables, err := depmod.Build(context.Background(), &depmod.Options{Dir: dir, Release: "6.1.0", Config: []string{}, MaxSize: 64 << 20})
	for _, p := range tables.Problems() {
		list = append(list, p.Kind.String()+" "+strings.TrimPrefix(p.Path, dir+"/"))
	}
	return list, err
}

// TestHostile: what is not a module, or is one made to hurt, is named, and costs neither time nor memory without bound.
func TestHostile(t *testing.T) {
	link := func(target, name string) func(string) error {
		return func(dir string) error { return os.Symlink(target, filepath.Join(dir, name)) }
	}
	sparse := func(name, head string) func(string) error {
		return func(dir string) error {
			name := filepath.Join(dir, name)
			if err := os.WriteFile(name, []byte(head), 0o644); err != nil {
				return err
			}
			return os.Truncate(name, 2<<30)
		}
	}
	for _, tt := range []struct {
		name string
		make func(dir string) error
		want string // the only problem
		err  error
	}{
		{"loop", link(".", "kernel/x"), "loop kernel/x", nil},
		{"loop further up", link("../..", "kernel/x"), "loop kernel/x/6.1.0", nil},
		{"two links in a circle", func(dir string) error { return errors.Join(link("y", "x")(dir), link("x", "y")(dir)) }, "entry x,entry y", nil},
		{"dangling", link("nowhere", "x.ko"), "entry x.ko", nil},
		{"FIFO", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "x.ko"), 0o644) }, "file-type x.ko", nil},
		{"socket", func(dir string) error {
			l, err := net.Listen("unix", filepath.Join(dir, "x.ko"))
			if err == nil {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				l.Close()
			}
			return err
		}, "file-type x.ko", nil},
		{"device", link("/dev/zero", "x.ko"), "file-type x.ko", nil},
		{"a folder named like a module", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "x.ko"), 0o755) }, "", nil},
		{"2 GiB of nothing", sparse("x.ko", ""), "unreadable x.ko", depmod.ErrUnreadable},
		{"2 GiB of a module", sparse("x.ko", string(kmodtest.Module{Name: "x"}.Bytes())), "", nil},
		{"2 GiB of xz", sparse("x.ko.xz", "\xfd7zXZ\x00"), "unreadable x.ko.xz", depmod.ErrUnreadable},
		{"odd names", func(dir string) error {
			var all error
			for _, name := range []string{"new\nline.ko", "bl ank.ko", "\xff\xfe.txt", ".ko", "-.ko", "a:b.ko"} {
				all = errors.Join(all, os.WriteFile(filepath.Join(dir, name), kmodtest.Module{Name: "x"}.Bytes(), 0o644))
			}
			return all
		}, "", nil},
		{"name that is not UTF-8", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "\xff.ko"), kmodtest.Module{Name: "x"}.Bytes(), 0o644)
		}, "unreadable \xff.ko", depmod.ErrUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := hostile(t)
			if err := tt.make(dir); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			list, err := problems(t, dir)
			runtime.ReadMemStats(&after)
			if got := strings.Join(list, ","); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("problems %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
				t.Errorf("%d bytes allocated", n)
			}
		})
	}
}

// TestBomb: a module that expands to more than the limit is named.
func TestBomb(t *testing.T) {
	dir := hostile(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 80 {
		w.Write(zeros)
	}
	w.Close()
	if err := os.WriteFile(filepath.Join(dir, "x.ko.gz"), bomb.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{Dir: dir, Release: "6.1.0", Config: []string{}, MaxSize: 64 << 20})
	if p := tables.Problems(); !errors.Is(err, depmod.ErrUnreadable) || len(p) != 1 || !errors.Is(p[0], compress.ErrTooLarge) {
		t.Errorf("Build: %v, %v", err, p)
	}
}

// TestManyWays: links that lead from each folder to the next in two ways make a tree of 2^40 folders without a circle.
func TestManyWays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := hostile(t)
	for i := range 40 {
		here := filepath.Join(dir, fmt.Sprint("d", i))
		if err := os.Mkdir(here, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			if err := os.Symlink(fmt.Sprint("../d", i+1), filepath.Join(here, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := problems(t, dir); err == nil || !strings.Contains(err.Error(), "too many folders") {
		t.Errorf("Build: %v; want too many folders", err)
	}
}

// TestUnreadableFolder: a folder that may not be listed is named, and keeps the tables as they are: they would lose
// its modules.
func TestUnreadableFolder(t *testing.T) {
	if kmodtest.AsNobody(t) {
		return
	}
	dir := hostile(t)
	if err := os.Mkdir(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	if list, err := problems(t, dir); !errors.Is(err, depmod.ErrUnreadable) || strings.Join(list, ",") != "directory closed" {
		t.Errorf("problems %v, %v", list, err)
	}
}

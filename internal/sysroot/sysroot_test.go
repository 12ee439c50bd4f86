package sysroot_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// tree is a root file system with links: lib to usr/lib as on merged systems, one to an absolute path, a loop.
var tree = fstest.MapFS{
	"usr/lib/modules/6.1/a.ko": {Data: []byte("a")},
	"lib":                      {Data: []byte("/usr/lib"), Mode: fs.ModeSymlink},
	"data/here":                {Data: []byte("../usr/./lib/modules"), Mode: fs.ModeSymlink},
	"data/up":                  {Data: []byte("../../../../usr/lib"), Mode: fs.ModeSymlink},
	"loop":                     {Data: []byte("loop"), Mode: fs.ModeSymlink},
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ abs, want string }{
		{"/", "."},
		{"/usr//lib/./modules/", "usr/lib/modules"},
		{"/usr/lib/../lib/modules", "usr/lib/modules"},
		{"/data/here/../modules/6.1", "usr/lib/modules/6.1"}, // the link first, then its parent
		{"/../../usr", "usr"},
		{"/not/there", "not/there"},
	} {
		got, err := sysroot.Name(tree, tt.abs)
		if err != nil || got != tt.want {
			t.Errorf("Name(%q) = %q, %v; want %q", tt.abs, got, err, tt.want)
		}
	}
	for _, abs := range []string{"/not/../usr", "/usr/lib/modules/6.1/a.ko/../a.ko"} {
		if got, err := sysroot.Name(tree, abs); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Name(%q) = %q, %v; want fs.ErrNotExist", abs, got, err)
		}
	}
	if _, err := sysroot.Name(tree, "/loop/../usr"); err == nil {
		t.Error("Name followed a loop")
	}
}

func TestNew(t *testing.T) { testRoot(t, sysroot.New(tree)) }

// TestStill: what is remembered changes nothing, the second time either.
func TestStill(t *testing.T) {
	root := sysroot.Still(sysroot.New(tree))
	testRoot(t, root)
	testRoot(t, root)
	if _, err := sysroot.Still(tree).Open("data/here"); err != nil {
		t.Error(err)
	}
}

func testRoot(t *testing.T, root fs.FS) {
	t.Helper()
	for _, name := range []string{"lib/modules/6.1/a.ko", "data/here/6.1/a.ko", "data/up/modules/6.1/a.ko"} {
		if data, err := fs.ReadFile(root, name); err != nil || string(data) != "a" {
			t.Errorf("ReadFile(%q) = %q, %v", name, data, err)
		}
	}
	if info, err := fs.Stat(root, "data/here"); err != nil || !info.IsDir() {
		t.Errorf("Stat of a link to a folder: %v, %v", info, err)
	}
	if info, err := fs.Lstat(root, "lib"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Lstat of a link: %v, %v", info, err)
	}
	if info, err := fs.Lstat(root, "loop"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Lstat of a link to itself: %v, %v", info, err)
	}
	if target, err := fs.ReadLink(root, "lib"); err != nil || target != "/usr/lib" {
		t.Errorf("ReadLink = %q, %v", target, err)
	}
	for _, name := range []string{"../etc/passwd", "/lib", "loop"} {
		if _, err := root.Open(name); err == nil {
			t.Errorf("Open(%q) did not fail", name)
		}
	}
}

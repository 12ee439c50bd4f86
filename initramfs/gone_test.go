package initramfs_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestGone: a module that a selected one depends on, and whose file is gone, is named with who lists it and who asked
// for that, whether the tables still list it or there are none.
func TestGone(t *testing.T) {
	for _, tables := range []bool{true, false} {
		root := kmodtest.Tree(t, "6.1.0", kmodtest.Module{Name: "base"}, kmodtest.Module{Name: "top", Depends: "base,mid"},
			kmodtest.Module{Name: "mid"})
		dir := filepath.Join(root, "lib/modules/6.1.0")
		if tables {
			made, err := depmod.Build(context.Background(), &depmod.Options{FS: modprobe.Root(root), Release: "6.1.0"})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range made.Names() {
				data, err := made.ReadFile(name)
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Remove(filepath.Join(dir, "kernel/base.ko")); err != nil {
			t.Fatal(err)
		}
		p, err := modprobe.New(&modprobe.Options{FS: modprobe.Root(root), Release: "6.1.0"})
		if err != nil {
			t.Fatal(err)
		}
		sel, err := initramfs.Select(context.Background(), p, modprobe.Root(root), &initramfs.Options{Add: []string{"top"}})
		if err != nil {
			t.Fatal(err)
		}
		if sel.BadTables == nil || len(sel.Missing) != 1 {
			t.Fatalf("tables %t: %v; missing %v", tables, sel.BadTables, sel.Missing)
		}
		text := sel.Missing[0].String()
		for _, want := range []string{"base (dependency of top): ", "top.ko, which was added as top, lists it"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q lacks %q", text, want)
			}
		}
	}
}

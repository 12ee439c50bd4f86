package modprobe_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// swapFS calls swap once, before a file is opened.
type swapFS struct {
	fs.FS
	name string
	swap func()
}

func (s *swapFS) Open(name string) (fs.File, error) {
	if swap := s.swap; swap != nil && filepath.Base(name) == s.name {
		s.swap = nil
		swap()
	}
	return s.FS.Open(name)
}

// TestTablesExchanged: whichever table depmod exchanges while a name is looked up, the answer is of one set of tables.
func TestTablesExchanged(t *testing.T) {
	for _, at := range []string{"modules.dep.bin", "modules.alias.bin", "modules.softdep"} {
		old, next := newWorld(t), newWorld(t)
		const dir = "lib/modules/6.1.0"
		var names []string
		list, err := os.ReadDir(filepath.Join(next.root, dir))
		if err != nil {
			t.Fatal(err)
		}
		// The other set knows the same modules at other places.
		for _, e := range list {
			if e.Type().IsRegular() {
				names = append(names, e.Name())
			}
		}
		if err := os.Rename(filepath.Join(next.root, dir, "kernel"), filepath.Join(next.root, dir, "moved")); err != nil {
			t.Fatal(err)
		}
		tables, err := depmod.Build(context.Background(), &depmod.Options{FS: os.DirFS(next.root), Release: "6.1.0"})
		if err != nil {
			t.Fatal(err)
		}
		if err := tables.Install(filepath.Join(next.root, dir)); err != nil {
			t.Fatal(err)
		}
		marker := filepath.Join(old.root, dir, index.SwitchName)
		exchange := func() {
			for _, name := range names {
				if err := os.Rename(filepath.Join(next.root, dir, name), filepath.Join(old.root, dir, name)); err != nil {
					t.Error(err)
				}
			}
			os.Remove(marker)
		}
		if err := os.WriteFile(marker, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := modprobe.New(&modprobe.Options{FS: &swapFS{sysroot.Host(old.root), at, exchange}, Kernel: old.kernel})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := p.Plan("al-top1", &modprobe.PlanOptions{ShowAll: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range plan {
			if filepath.Base(filepath.Dir(s.Module.Path)) == "kernel" {
				t.Errorf("exchanged at %s: %s is of the old set", at, s.Module.Path)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

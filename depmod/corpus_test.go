package depmod_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// corpus lists the kernels whose tables are compared with kmod's; those after the first two only by make test-long.
var corpus = []string{
	"6.1", "6.1-cloud", "6.1-prev", "6.12", "6.12-cloud", "7.2", "5.10",
	"6.1:arm64", "6.1:armhf", "6.1:i386", "6.1:s390x", "6.1:ppc64el", "6.1:mips64el",
}

// TestCorpus makes the tables of whole Debian kernels: they are byte for byte those of kmod.
func TestCorpus(t *testing.T) {
	for i, key := range corpus {
		t.Run(key, func(t *testing.T) {
			if i >= 2 {
				kmodtest.Long(t)
			}
			dir, release := kmodtest.Corpus(t, key)
			compareTables(t, dir, dir, release)
		})
	}
}

// TestCompressed does the same with the modules in each compression.
func TestCompressed(t *testing.T) {
	kmodtest.Long(t)
	for _, key := range []string{"6.1", "6.1-cloud", "6.12"} {
		for _, ext := range []string{"none", "gz", "xz", "zst"} {
			t.Run(key+"-"+ext, func(t *testing.T) {
				dir, release := kmodtest.CorpusTree(t, key, ext)
				if ext != "gz" {
					compareTables(t, dir, dir, release)
					return
				}
				// Debian's kmod cannot read gzip; the tables are those of the plain tree but for the names of the files.
				plain, _ := kmodtest.CorpusTree(t, key, "none")
				got, want := build(t, dir, release), kmodTables(t, plain, release)
				for _, name := range []string{"modules.alias", "modules.alias.bin", "modules.symbols", "modules.symbols.bin", "modules.softdep"} {
					if data, _ := got.ReadFile(name); !bytes.Equal(data, want[name]) {
						t.Errorf("%s differs", name)
					}
				}
				dep, _ := got.ReadFile("modules.dep")
				if dep := bytes.ReplaceAll(dep, []byte(".ko.gz"), []byte(".ko")); !bytes.Equal(dep, want["modules.dep"]) {
					t.Error("modules.dep differs")
				}
			})
		}
	}
}

// build makes the tables of root/lib/modules/release, and fails the test on any problem.
func build(t testing.TB, root, release string) *depmod.Tables {
	t.Helper()
	tables, err := depmod.Build(context.Background(), &depmod.Options{
		Dir:     filepath.Join(root, "lib/modules", release),
		Release: release,
		Config:  []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range tables.Problems() {
		if p.Kind != depmod.Duplicate {
			t.Errorf("problem: %v", p)
		}
	}
	return tables
}

// kmodTables reads the tables that kmod made in root.
func kmodTables(t testing.TB, root, release string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, name := range []string{
		"modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.softdep", "modules.weakdep",
		"modules.symbols", "modules.symbols.bin", "modules.builtin.bin", "modules.builtin.alias.bin", "modules.devname",
	} {
		data, err := os.ReadFile(filepath.Join(root, "lib/modules", release, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = data
	}
	return all
}

// compareTables compares the tables we make of one root with those kmod made in another.
func compareTables(t testing.TB, ours, kmods, release string) {
	t.Helper()
	tables, want := build(t, ours, release), kmodTables(t, kmods, release)
	if len(tables.Names()) != len(want) {
		t.Errorf("tables %v; kmod has %d", tables.Names(), len(want))
	}
	for _, name := range tables.Names() {
		if got, err := tables.ReadFile(name); err != nil || !bytes.Equal(got, want[name]) {
			t.Errorf("%s: %s differs (%d bytes, want %d)", release, name, len(got), len(want[name]))
		}
	}
}

package depmod_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
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

// TestCorpusConfigured does the same with whole kernels to which modules were added: newer copies in updates and
// extra, and outside the tree, chosen between by depmod.d, with and without modules.order.
func TestCorpusConfigured(t *testing.T) {
	oracle := kmodtest.Oracle(t)
	for i, key := range append([]string{"6.1-cloud"}, corpus...) {
		t.Run(key, func(t *testing.T) {
			if i > 0 {
				kmodtest.Long(t)
			}
			dir, release := kmodtest.Corpus(t, key)
			for _, configured := range []bool{false, true} {
				root, config := withCopies(t, dir, release, configured)
				cmd := oracle.Command("depmod", "-b", root, "-C", config, release)
				if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 && configured {
					t.Fatalf("kmod: %v\n%s", err, out)
				}
				tables, err := depmod.Build(context.Background(), &depmod.Options{
					Dir: filepath.Join(root, "lib/modules", release), Release: release, Config: []string{config},
				})
				if err != nil {
					t.Fatal(err)
				}
				dep, _ := tables.ReadFile("modules.dep")
				for _, want := range []string{"\nupdates/", "\nextra/", "\nchosen/", "\n" + root + "/outside/"} {
					if configured && !bytes.Contains(dep, []byte(want)) {
						t.Errorf("no module of %q was chosen", want)
					}
				}
				for name, want := range kmodTables(t, root, release) {
					if got, _ := tables.ReadFile(name); !bytes.Equal(got, want) {
						t.Errorf("configured %t: %s differs (%d bytes, want %d)", configured, name, len(got), len(want))
					}
				}
			}
		})
	}
}

// withCopies makes a tree of a kernel's modules and of copies of some, and a configuration that decides between them;
// or, not configured, without modules.order and with copies that need no decision.
func withCopies(t *testing.T, kernel, release string, configured bool) (root, config string) {
	t.Helper()
	root = t.TempDir()
	from, dir := filepath.Join(kernel, "lib/modules", release), filepath.Join(root, "lib/modules", release)
	config = filepath.Join(root, "depmod.d")
	var files []string
	filepath.WalkDir(filepath.Join(from, "kernel"), func(name string, d os.DirEntry, err error) error {
		if err == nil && strings.Contains(name, ".ko") {
			files = append(files, name)
		}
		return err
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(dir, 0o755))
	must(os.Mkdir(config, 0o755))
	must(os.Symlink(filepath.Join(from, "kernel"), filepath.Join(dir, "kernel")))
	for _, name := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
		if data, err := os.ReadFile(filepath.Join(from, name)); err == nil && (configured || name != "modules.order") {
			must(os.WriteFile(filepath.Join(dir, name), data, 0o644))
		}
	}
	var overridden string
	for i, to := range []string{"updates", "updates/dkms", "extra", "extra/deep", "../../../outside", "chosen"} {
		if !configured && i > 1 {
			break // which of two is found first is up to the file system
		}
		must(os.MkdirAll(filepath.Join(dir, to), 0o755))
		for j := range 4 {
			if to == "chosen" && j > 0 {
				break // between others the file system would decide
			}
			file := files[(37*i+11*j)%len(files)]
			data, err := os.ReadFile(file)
			must(err)
			must(os.WriteFile(filepath.Join(dir, to, filepath.Base(file)), data, 0o644))
			overridden, _, _ = strings.Cut(filepath.Base(file), ".")
		}
	}
	if configured {
		text := "search updates extra external built-in\nexternal * " + root + "/outside\noverride " + overridden + " ^" + release[:2] + " chosen\nexclude staging\n"
		must(os.WriteFile(filepath.Join(config, "a.conf"), []byte(text), 0o644))
	}
	return root, config
}

package initramfs

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// closure returns the modules of these names and what they depend on.
func closure(all []depEntry, names []string) []depEntry {
	byName := make(map[string]depEntry)
	for _, d := range all {
		byName[d.name] = d
	}
	want := make(map[string]bool)
	for _, n := range names {
		d, ok := byName[n]
		if !ok {
			continue
		}
		want[n] = true
		for dep := range strings.FieldsSeq(d.deps) {
			want[alias.FromPath(dep)] = true
		}
	}
	var keep []depEntry
	for _, d := range all {
		if want[d.name] {
			keep = append(keep, d)
		}
	}
	return keep
}

// TestTrim compares trimmed tables with those that kmod's depmod makes of a tree with only those modules.
func TestTrim(t *testing.T) {
	for _, key := range []string{"6.1", "6.12"} {
		t.Run(key, func(t *testing.T) { testTrim(t, key) })
	}
}

func testTrim(t *testing.T, key string) {
	oracle := kmodtest.Oracle(t)
	root, release := kmodtest.Corpus(t, key)
	dir := path.Join("lib/modules", release)
	all, err := readDeps(os.DirFS(root), dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		names = append(names, all[r.IntN(len(all))].name)
	}
	names = append(names, "ext4", "btrfs", "virtio_blk", "virtio_pci", "tun", "loop", "nvme", "usb_storage")
	keep := closure(all, names)
	tmp := t.TempDir()
	for _, d := range keep {
		to := filepath.Join(tmp, dir, d.path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, dir, d.path), to); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		data, err := os.ReadFile(filepath.Join(root, dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tmp, dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := oracle.Command("depmod", "-b", tmp, release).CombinedOutput(); err != nil {
		t.Fatalf("depmod: %v\n%s", err, out)
	}
	tables, err := newTrimmer(os.DirFS(root), dir, keep).tables(AllTables)
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) != 14 {
		t.Errorf("%d tables, want 14", len(tables))
	}
	for _, tab := range tables {
		want, err := os.ReadFile(filepath.Join(tmp, dir, tab.name))
		if err != nil {
			t.Error(err)
			continue
		}
		got := tab.data
		switch tab.name {
		case "modules.dep":
			got, want = sortedDeps(string(got)), sortedDeps(string(want))
		case "modules.dep.bin":
			got, want = sortedIndex(t, got), sortedIndex(t, want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, depmod's %d; they differ", tab.name, len(got), len(want))
		}
	}
}

// sortedDeps sorts the words of each line.
func sortedDeps(text string) []byte {
	var b []byte
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		slices.Sort(words[1:])
		b = append(append(b, strings.Join(words, " ")...), '\n')
	}
	return b
}

// sortedIndex is sortedDeps for the index, with keys and priorities.
func sortedIndex(t *testing.T, data []byte) []byte {
	x, err := index.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for key, v := range x.All() {
		b = append(b, key...)
		b = append(b, byte(v.Priority>>8), byte(v.Priority), ' ')
		b = append(b, sortedDeps(v.Value)...)
	}
	return b
}

// TestTrimFromText: without the binary tables the text is enough.
func TestTrimFromText(t *testing.T) {
	root, release := kmodtest.Corpus(t, "6.1")
	dir := path.Join("lib/modules", release)
	text := t.TempDir()
	for _, name := range []string{"modules.dep", "modules.alias", "modules.symbols"} {
		data, err := os.ReadFile(filepath.Join(root, dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(text, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made := make(map[string][]byte)
	for _, src := range []struct{ root, dir string }{{root, dir}, {text, "."}} {
		fsys := os.DirFS(src.root)
		all, err := readDeps(fsys, src.dir)
		if err != nil {
			t.Fatal(err)
		}
		tables, err := newTrimmer(fsys, src.dir, closure(all, []string{"ext4", "e1000e", "usb_storage"})).tables(AllTables)
		if err != nil {
			t.Fatal(err)
		}
		for _, tab := range tables {
			if first, ok := made[tab.name]; ok && !bytes.Equal(first, tab.data) {
				t.Errorf("%s: made from text %d bytes, from the index %d; they differ", tab.name, len(tab.data), len(first))
			}
			made[tab.name] = tab.data
		}
	}
}

func BenchmarkTrim(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	dir := path.Join("lib/modules", release)
	fsys := os.DirFS(root)
	for b.Loop() {
		all, err := readDeps(fsys, dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := newTrimmer(fsys, dir, all[:125]).tables(BootTables); err != nil {
			b.Fatal(err)
		}
	}
}

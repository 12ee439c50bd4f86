package index_test

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestCorpus reads the tables that kmod made for whole kernels: they are sound, every entry can be looked up, and built
// again from their dump they are the same bytes.
func TestCorpus(t *testing.T) {
	for _, key := range []string{"6.1", "6.1-cloud"} {
		dir, release := kmodtest.Corpus(t, key)
		for _, name := range []string{"modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin", "modules.builtin.alias.bin"} {
			data, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, name))
			if err != nil {
				t.Fatal(err)
			}
			x := parse(t, data)
			if err := x.Check(); err != nil {
				t.Errorf("%s %s: %v", key, name, err)
			}
			var all []triple
			for k, v := range x.All() {
				all = append(all, triple{k, v.Value, v.Priority})
				if _, ok := x.Lookup(k); !ok {
					t.Errorf("%s %s: %q is not found", key, name, k)
				}
			}
			slices.Reverse(all) // of equal priorities, what is added last comes first
			if again := build(t, all...); !bytes.Equal(again, data) {
				t.Errorf("%s %s: %d bytes when built again, not these %d", key, name, len(again), len(data))
			}
		}
	}
}

// queries returns modaliases made from the patterns of a table.
func queries(x *index.Index, every int) (list []string) {
	n := 0
	for key := range x.All() {
		if n++; n%every == 0 && !strings.ContainsAny(key, "[?") {
			list = append(list, strings.ReplaceAll(key, "*", "0001"))
		}
	}
	return list
}

// TestSearchCorpus compares searches in a whole kernel's aliases with the slow twin, and some with modprobe -R of kmod.
func TestSearchCorpus(t *testing.T) {
	oracle := kmodtest.Oracle(t)
	dir, release := kmodtest.Corpus(t, "6.1")
	x, err := index.Open(os.DirFS(dir), "lib/modules/"+release+"/modules.alias.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for i, q := range queries(x, 700) {
		found := x.Search(nil, q)
		if want := slow(x, q); !slices.Equal(found, want) {
			t.Errorf("Search(%q) = %v; the slow twin says %v", q, found, want)
		}
		if i%4 > 0 {
			continue
		}
		var got strings.Builder
		for _, v := range found {
			got.WriteString(v.Value + "\n")
		}
		out, err := oracle.Command("modprobe", "-C", "/var/empty", "-d", dir, "-S", release, "-R", q).Output()
		if err != nil || string(out) != got.String() {
			t.Errorf("Search(%q) = %q; modprobe -R says %q (%v)", q, got.String(), out, err)
		}
	}
}

// BenchmarkSearch looks up modaliases of all kinds in a whole kernel's aliases.
func BenchmarkSearch(b *testing.B) {
	dir, release := kmodtest.Corpus(b, "6.1")
	x, err := index.Open(os.DirFS(dir), "lib/modules/"+release+"/modules.alias.bin")
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	list := queries(x, 13)
	dst := make([]index.Value, 0, 64)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = x.Search(dst[:0], list[i%len(list)])
		i++
	}
}

// BenchmarkLookup looks a module up in modules.dep.bin.
func BenchmarkLookup(b *testing.B) {
	dir, release := kmodtest.Corpus(b, "6.1")
	x, err := index.Open(os.DirFS(dir), "lib/modules/"+release+"/modules.dep.bin")
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := x.Lookup("ext4"); !ok {
			b.Fatal("ext4 is not there")
		}
	}
}

// BenchmarkBuilder makes the tables of a whole kernel's aliases and symbols, added in the order of the modules.
func BenchmarkBuilder(b *testing.B) {
	dir, release := kmodtest.Corpus(b, "6.1")
	for _, name := range []string{"modules.alias.bin", "modules.symbols.bin"} {
		b.Run(name, func(b *testing.B) {
			x, err := index.Open(os.DirFS(dir), "lib/modules/"+release+"/"+name)
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			var list []triple
			for k, v := range x.All() {
				list = append(list, triple{k, v.Value, v.Priority})
			}
			slices.SortStableFunc(list, func(x, y triple) int { return cmp.Compare(x.priority, y.priority) })
			b.ReportAllocs()
			for b.Loop() {
				var t index.Builder
				t.Grow(len(list))
				for _, e := range list {
					t.Add(e.key, e.value, e.priority)
				}
				if _, err := t.Bytes(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

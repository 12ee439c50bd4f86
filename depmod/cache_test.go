package depmod

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// cacheTree is a tree on the disk, with a cache.
type cacheTree struct {
	testing.TB
	root, dir string
	cache     *Cache
}

func newCacheTree(t testing.TB) *cacheTree {
	t.Helper()
	var mods []kmodtest.Module
	for i := range 5 {
		mods = append(mods, kmodtest.Module{
			Name:    fmt.Sprint("m", i),
			Aliases: []string{fmt.Sprint("alias", i)}, Softdeps: []string{"pre: x"}, Weakdeps: []string{"y"},
			Exports: []kmodtest.Export{{Name: fmt.Sprint("s", i), CRC: uint32(i)}},
			Imports: []kmodtest.Import{{Name: fmt.Sprint("s", i-1), CRC: 9}, {Name: "printk", Weak: true}},
		})
	}
	spec := kmodtest.Spec{Release: "6.1.0", Modules: mods, Order: []string{}, Builtins: []kmodtest.Builtin{}}
	c := &cacheTree{TB: t, root: spec.Tree(t), cache: &Cache{settle: time.Nanosecond}}
	c.dir = filepath.Join(c.root, "lib/modules/6.1.0")
	c.tick() // so that the files count as settled
	return c
}

// tick waits until the file system's clock has moved on, so that what is written from now on has another time than what
// was written before.
func (c *cacheTree) tick() {
	c.Helper()
	name := filepath.Join(c.root, "tick")
	stamp := func() time.Time {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			c.Fatal(err)
		}
		return mustStat(c, name).ModTime()
	}
	for first := stamp(); !stamp().After(first); {
		time.Sleep(time.Millisecond)
	}
}

// build makes the tables with the cache, as a new process finds it, and without. They are the same; so many modules
// had to be read.
func (c *cacheTree) build(what string, read int, options Options) {
	c.Helper()
	settle := c.cache.settle
	cache, err := ParseCache(c.cache.Bytes())
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
	cache.settle = settle
	c.cache = cache
	options.Dir, options.Release, options.Config = c.dir, "6.1.0", []string{}
	want, wantErr := Build(context.Background(), &options)
	options.Cache = cache
	got, err := Build(context.Background(), &options)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || fmt.Sprint(got.Problems()) != fmt.Sprint(want.Problems()) {
		c.Errorf("%s: %v, %v; without a cache %v, %v", what, err, got.Problems(), wantErr, want.Problems())
	}
	for _, f := range want.files {
		if data, err := got.ReadFile(f.name); err != nil || !bytes.Equal(data, f.data) {
			c.Errorf("%s: %s is\n%q; without a cache\n%q", what, f.name, data, f.data)
		}
	}
	if cache.Read() != read {
		c.Errorf("%s: %d modules read; want %d", what, cache.Read(), read)
	}
}

func (c *cacheTree) write(name string, m kmodtest.Module) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "kernel", name), m.Bytes(), 0o644); err != nil {
		c.Fatal(err)
	}
}

func TestCache(t *testing.T) {
	if keyOf(mustStat(t, ".")) == (key{}) {
		t.Skip("files are not known by anything here")
	}
	c := newCacheTree(t)
	file := filepath.Join(c.dir, "kernel/m2.ko")
	c.build("empty cache", 5, Options{})
	c.build("nothing changed", 0, Options{})

	c.write("m5.ko", kmodtest.Module{Name: "m5", Aliases: []string{"new"}})
	c.build("a new file", 1, Options{})

	if err := os.Remove(filepath.Join(c.dir, "kernel/m5.ko")); err != nil {
		t.Fatal(err)
	}
	c.build("a file that is gone", 0, Options{})
	c.write("m5.ko", kmodtest.Module{Name: "m5", Aliases: []string{"again"}})
	c.build("it is back", 1, Options{})

	// Another content of the same size and with the same time of modification: the time of change tells.
	info := mustStat(t, file)
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c.tick()
	if err := os.WriteFile(file, bytes.ReplaceAll(image, []byte("alias2"), []byte("alias7")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	c.build("the same size and time of modification", 1, Options{})

	// A file of the same size and time of modification put in its place: its number tells.
	other := filepath.Join(c.dir, "other")
	if err := os.WriteFile(other, bytes.ReplaceAll(image, []byte("alias2"), []byte("alias8")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, file); err != nil {
		t.Fatal(err)
	}
	c.build("another file in its place", 1, Options{})

	// A clock that was wrong: a file from the future is read each time, one from the past is as good as any.
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(file, future, future); err != nil {
		t.Fatal(err)
	}
	c.build("a file from the future", 1, Options{})
	c.build("still from the future", 1, Options{})
	past := time.Unix(1, 0)
	if err := os.Chtimes(file, past, past); err != nil {
		t.Fatal(err)
	}
	c.tick()
	c.build("a file from the past", 1, Options{})
	c.build("still from the past", 0, Options{})

	// A file that has just changed may change once more within one tick of the clock: it is not kept.
	c.cache.settle = time.Hour
	c.write("m4.ko", kmodtest.Module{Name: "m4", Aliases: []string{"one"}})
	c.build("a file that has just changed", 1, Options{})
	c.build("and is read again", 1, Options{})
	c.cache.settle = time.Nanosecond

	symvers := "0x9\tprintk\tvmlinux\tEXPORT_SYMBOL\n"
	withSymvers := func() Options {
		return Options{Symvers: bytes.NewReader([]byte(symvers))}
	}
	for i, read := range []int{6, 0} {
		cache, err := ParseCache(c.cache.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		cache.settle = time.Nanosecond
		c.cache = cache
		options := withSymvers()
		options.Dir, options.Release, options.Config, options.Cache = c.dir, "6.1.0", []string{}, cache
		got, err := Build(context.Background(), &options)
		if err != nil {
			t.Fatal(err)
		}
		options = withSymvers()
		options.Dir, options.Release, options.Config = c.dir, "6.1.0", []string{}
		want, _ := Build(context.Background(), &options)
		if fmt.Sprint(got.Problems()) != fmt.Sprint(want.Problems()) || cache.Read() != read {
			t.Errorf("with checksums, run %d: %d read, %v; without a cache %v", i, cache.Read(), got.Problems(), want.Problems())
		}
	}
	c.build("without checksums again", 0, Options{})

	c.write("bad.ko", kmodtest.Module{Name: "bad", Raw: []byte("no module")})
	c.build("a broken file", 1, Options{KeepGoing: true})
	c.build("is looked at again", 1, Options{KeepGoing: true})
}

func mustStat(t testing.TB, name string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestCacheDamaged: a cache with any bit turned over, or cut anywhere, is no cache.
func TestCacheDamaged(t *testing.T) {
	c := newCacheTree(t)
	c.build("empty cache", 5, Options{})
	data := c.cache.Bytes()
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1 << (i % 8)
		if _, err := ParseCache(damaged); err == nil {
			t.Errorf("bit %d of byte %d: no error", i%8, i)
		}
		if _, err := ParseCache(data[:i]); err == nil {
			t.Errorf("cut to %d bytes: no error", i)
		}
	}
}

// FuzzParseCache reads random caches with the right check sum: what is accepted is written as the same again.
func FuzzParseCache(f *testing.F) {
	c := newCacheTree(f)
	c.build("empty cache", 5, Options{})
	seed := c.cache.Bytes()
	fuzzseed.Add(f, seed[len(cacheMagic):len(seed)-4]) // without the check sum
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCache(sealed(append([]byte(cacheMagic), data...)))
		if err != nil {
			return
		}
		again, err := ParseCache(c.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.known) != len(c.known) || again.crcs != c.crcs {
			t.Errorf("%d modules became %d", len(c.known), len(again.known))
		}
		for name, want := range c.known {
			got, ok := again.known[name]
			if !ok || got.key != want.key || len(got.facts.needs) != len(want.facts.needs) || len(got.facts.exports) != len(want.facts.exports) ||
				fmt.Sprint(got.facts.aliases) != fmt.Sprint(want.facts.aliases) {
				t.Errorf("%q differs", name)
			}
		}
	})
}

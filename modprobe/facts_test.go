package modprobe_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// factsMap keeps facts in memory.
type factsMap map[string][]byte

func (m factsMap) Get(key string) []byte       { return m[key] }
func (m factsMap) Put(key string, data []byte) { m[key] = data }

// countingFS counts the module files that are opened.
type countingFS struct {
	fs.FS
	mu     sync.Mutex
	opened []string
}

func (c *countingFS) Open(name string) (fs.File, error) {
	if strings.Contains(name, ".ko") {
		c.mu.Lock()
		c.opened = append(c.opened, name)
		c.mu.Unlock()
	}
	return c.FS.Open(name)
}

func (c *countingFS) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(c.FS, name) }
func (c *countingFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(c.FS, name) }

// TestFacts: without tables each module is read once, whatever is asked for afterwards and however often; what has
// changed since, or could not be read, is read again, and nothing else.
func TestFacts(t *testing.T) {
	w := bareWorld(t)
	dir := filepath.Join(w.root, "lib/modules/6.1.0")
	spec, err := kmodtest.ParseSpec(tree)
	if err != nil {
		t.Fatal(err)
	}
	all := len(spec.Modules)
	store := factsMap{}
	clock := time.Minute
	ask := func(name, want string, opens int) {
		t.Helper()
		fsys := &countingFS{FS: os.DirFS(w.root)}
		p, err := modprobe.New(&modprobe.Options{FS: fsys, Kernel: w.kernel, Facts: store})
		if err != nil {
			t.Fatal(err)
		}
		p.Later(clock)
		modules, _ := p.Resolve(name)
		var got []string
		for _, m := range modules {
			got = append(got, m.Name)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q; want %q", name, s, want)
		}
		if len(fsys.opened) != opens {
			t.Errorf("%s: opens %d module files; want %d: %v", name, len(fsys.opened), opens, fsys.opened)
		}
	}
	write := func(name string, m kmodtest.Module) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), m.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ask("al-top", "top", all)
	for range 70 {
		ask("al-top", "top", 0)
		ask("symbol:base_sym", "base", 0)
		ask("pci:nosuch", "", 0)
	}
	ask("top", "top", 0)

	write("kernel/new.ko", kmodtest.Module{Name: "new", Aliases: []string{"al-new"}})
	ask("al-new", "new", 1)
	ask("al-new", "new", 0)
	write("kernel/new.ko", kmodtest.Module{Name: "new", Aliases: []string{"al-newer"}}) // in place
	ask("al-top", "top", 0)
	ask("al-newer", "", 0) // not looked at yet
	ask("al-new", "", 1)   // looked at, because this is from it
	ask("al-newer", "new", 0)
	write("kernel/new.ko", kmodtest.Module{Name: "new", Aliases: []string{"al-newest"}, Depends: "base"})
	if modules := resolve(t, w, store, clock, "new"); len(modules[0].Depends) != 1 {
		t.Errorf("%+v", modules)
	}
	clock += 2 * time.Minute
	ask("al-newest", "new", 1)
	ask("al-newest", "new", 0)
	clock -= 10 * time.Minute // set back
	ask("al-newest", "new", 0)
	clock += 20 * time.Minute
	if err := os.WriteFile(filepath.Join(dir, "kernel/new.ko"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	ask("al-newest", "", 1)
	ask("al-newest", "", 1)
	ask("al-top", "top", 1) // what cannot be read is tried again
	if err := os.Remove(filepath.Join(dir, "kernel/new.ko")); err != nil {
		t.Fatal(err)
	}
	ask("al-top", "top", 0)

	// A link that leads nowhere, and later somewhere.
	if err := os.Symlink("../../../away", filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	ask("al-linked", "", 0)
	if err := os.Mkdir(filepath.Join(w.root, "away"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("linked/linked.ko", kmodtest.Module{Name: "linked", Aliases: []string{"al-linked"}})
	ask("al-linked", "linked", 1)

	for key, data := range store { // what is damaged is not believed
		for _, n := range []int{0, 1, len(data) / 2, len(data) - 1} {
			store[key] = data[:n]
			ask("al-top", "top", all+1)
		}
		head, _ := modprobe.CutFacts(data)
		for _, n := range []int{0, 20, len(head) / 2, len(head) - 1} {
			store[key] = slices.Concat(data[:n], []byte{data[n] ^ 1}, data[n+1:])
			ask("al-top", "top", all+1)
		}
	}
}

// resolve asks a new Prober for a name.
func resolve(t *testing.T, w *world, store modprobe.Facts, later time.Duration, name string) []modprobe.Module {
	t.Helper()
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel, Facts: store})
	if err != nil {
		t.Fatal(err)
	}
	p.Later(later)
	modules, err := p.Resolve(name)
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// TestFactsFresh: what has changed a moment ago, and may change once more without its times showing it, is not kept.
func TestFactsFresh(t *testing.T) {
	w := bareWorld(t)
	store := factsMap{}
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel, Facts: store})
	if err != nil {
		t.Fatal(err)
	}
	p.Later(-time.Hour)
	if _, err := p.Resolve("al-top"); err != nil || len(store) != 0 {
		t.Errorf("%v; %d trees are kept; want none", err, len(store))
	}
}

// FuzzFacts: whatever is kept, there is an answer, and no panic.
func FuzzFacts(f *testing.F) {
	w := bareWorld(f)
	store := factsMap{}
	resolve := func(t testing.TB, sound bool) {
		p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel, Facts: store})
		if err != nil {
			t.Fatal(err)
		}
		p.Later(time.Minute)
		modules, err := p.Resolve("al-top")
		if !sound && (err != nil || modules[0].Name != "top") { // what is sound may tell anything
			t.Errorf("%v, %v", modules, err)
		}
	}
	resolve(f, false)
	var key string
	for k, data := range store {
		key = k
		head, parts := modprobe.CutFacts(data)
		fuzzseed.Add(f, head, parts)
	}
	f.Fuzz(func(t *testing.T, head, parts []byte) {
		store[key] = modprobe.SealFacts(head, parts)
		resolve(t, modprobe.SoundFacts(key, store[key]))
	})
}

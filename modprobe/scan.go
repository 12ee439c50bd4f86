package modprobe

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// lazyTree is a module directory that is read once.
type lazyTree struct {
	once sync.Once
	tree *tree
}

// tree is a module directory without tables: its files, and what they say of themselves. It stands in for
// modules.dep; what a module needs is read when it is asked for.
type tree struct {
	p      *Prober
	config *moduledir.Config
	begun  time.Time // when the tree was looked at

	// What Options.Facts had, under key; kept is it as long as it is believed.
	key         string
	old         *keptFacts
	sameFolders bool
	kept        atomic.Pointer[keptFacts]
	others      sync.Once // complete

	loaded sync.Once         // load
	files  map[string]string // module → file, below the module directory or absolute; by load
	seen   []watched         // by load

	mu    sync.Mutex
	known map[string]*treeFacts

	all              sync.Once // readAll
	aliases, symbols *index.Index
}

// treeFacts is what a module says of itself. It is read once.
type treeFacts struct {
	once    sync.Once
	info    []string // .modinfo
	exports []string // names of symbols
	stamp   trusted.Stamp
	failed  bool
}

// treeFor returns the module directory itself, in place of a table that cannot be used because of err. It reports that
// once: most faults affect all tables.
func (p *Prober) treeFor(name string, err error) *tree {
	t := p.tree()
	if !t.empty() {
		p.tables.Load().reported.Do(func() {
			p.report(&TableError{File: p.path(name + ".bin"), Instead: "the modules themselves", Err: err})
		})
	}
	return t
}

// tree returns the files of the module directory, those that depmod would list.
func (p *Prober) tree() *tree {
	p.tables.Load().tree.once.Do(func() {
		t := &tree{p: p, known: make(map[string]*treeFacts), begun: p.now()}
		p.tables.Load().tree.tree = t
		if !p.hasDir {
			t.loaded.Do(func() {})
			return
		}
		// depmod says what is wrong there
		t.config, _, _ = moduledir.ReadConfig(p.fsys, moduledir.ConfigDirs(), p.release)
		if p.opts.Facts != nil {
			t.recall(t.config)
		}
	})
	return p.tables.Load().tree.tree
}

// file returns the file of a module; false if there is none of that name. Nothing is opened for it.
func (t *tree) file(name string) (string, bool) {
	if k := t.kept.Load(); k != nil {
		r, ok := k.find(name)
		return r.path, ok
	}
	t.load()
	path, ok := t.files[name]
	return path, ok
}

// has reports whether there is a module of that name.
func (t *tree) has(name string) bool {
	_, ok := t.file(name)
	return ok
}

// paths returns the files of all modules, sorted.
func (t *tree) paths() []string {
	t.load()
	return slices.Sorted(maps.Values(t.files))
}

// empty reports whether there are no modules.
func (t *tree) empty() bool {
	if k := t.kept.Load(); k != nil {
		return k.len() == 0
	}
	t.load()
	return len(t.files) == 0
}

// Lookup returns the line that modules.dep would have for a module.
func (t *tree) Lookup(name string) (string, bool) {
	file, ok := t.file(name)
	if !ok {
		return "", false
	}
	var order []string // files; what is needed comes before what needs it
	t.needs(name, map[string]bool{name: true}, &order)
	slices.Reverse(order)
	return strings.Join(append([]string{file + ":"}, order...), " "), true
}

// needs appends the files of what a module needs to order, deepest first.
func (t *tree) needs(name string, seen map[string]bool, order *[]string) {
	for _, text := range t.facts(name).info {
		list, ok := strings.CutPrefix(text, "depends=")
		if !ok {
			continue
		}
		for dep := range strings.SplitSeq(list, ",") {
			dep = alias.ModName(dep)
			file, ok := t.file(dep)
			if !ok || seen[dep] {
				continue
			}
			seen[dep] = true
			t.needs(dep, seen, order)
			*order = append(*order, file)
		}
	}
}

// facts returns what a module says about itself; nothing if it cannot be read, which is reported. Kept facts are
// without aliases and exports.
func (t *tree) facts(name string) *treeFacts {
	if k := t.kept.Load(); k != nil {
		if r, ok := k.find(name); ok && r.stamp.Whole() {
			if t.p.same(r) {
				return &treeFacts{info: r.info}
			}
			t.load()
		}
	}
	path, _ := t.file(name)
	t.mu.Lock()
	f := t.known[name]
	if f == nil {
		f = new(treeFacts)
		t.known[name] = f
	}
	t.mu.Unlock()
	f.once.Do(func() {
		if err := f.read(t.p, path); err != nil {
			f.failed = true
			t.p.report(&TableError{File: t.p.path(path), Err: err})
		}
	})
	return f
}

// read reads a module's file.
func (f *treeFacts) read(p *Prober, path string) error {
	file, err := p.fileName(path)
	if err != nil {
		return err
	}
	if p.opts.Facts != nil {
		f.stamp = p.watch(file).stamp
	}
	return compress.UseFile(p.fsys, file, 0, func(image []byte, _ compress.Format) error { return f.take(image) })
}

// take takes the facts from a module, of which it keeps nothing else.
func (f *treeFacts) take(image []byte) error {
	module, err := elf.Parse(image)
	if err != nil {
		return err
	}
	info, err := module.Modinfo()
	if err != nil {
		return err
	}
	for _, text := range info {
		f.info = append(f.info, strings.Clone(text))
	}
	exports, err := module.Exports()
	if errors.Is(err, elf.ErrNoSection) {
		return nil // most modules export nothing
	}
	for _, e := range exports {
		f.exports = append(f.exports, strings.Clone(e.Name))
	}
	return err
}

// fileName returns the name in fsys of a module's file.
func (p *Prober) fileName(path string) (string, error) {
	if strings.HasPrefix(path, "/") {
		return sysroot.Name(p.fsys, path)
	}
	return p.name(path), nil
}

// readAll reads all modules, several at a time, makes the tables of their aliases and symbols, and keeps them.
func (t *tree) readAll() {
	t.all.Do(func() {
		names := slices.Sorted(maps.Keys(t.files))
		parallel(len(names), func(i int) { t.facts(names[i]) })
		var aliases, symbols index.Builder
		for _, name := range names {
			f := t.facts(name)
			for _, text := range f.info {
				if pattern, ok := strings.CutPrefix(text, "alias="); ok {
					if key, err := alias.Normalize(pattern); err == nil {
						// If it fails: depmod leaves such a key out as well.
						aliases.Add(key, name, uint32(aliases.Len()))
					}
				}
			}
			for _, symbol := range f.exports {
				symbols.Add("symbol:"+symbol, name, uint32(symbols.Len()))
			}
		}
		var err1, err2 error
		t.aliases, err1 = indexOf(&aliases)
		t.symbols, err2 = indexOf(&symbols)
		if err1 == nil && err2 == nil {
			t.keep()
		}
	})
}

// indexOf returns the table that b makes, without entries if it would be larger than a table can be.
func indexOf(b *index.Builder) (*index.Index, error) {
	data, err := b.Bytes()
	if err != nil {
		data, _ = new(index.Builder).Bytes()
	}
	x, _ := index.Parse(data)
	return x, err
}

// Search finds nothing: the names of modules are no patterns.
func (t *tree) Search(dst []index.Value, _ string) []index.Value { return dst }

// All returns nothing: [Prober.Files] reads the tree itself.
func (t *tree) All() iter.Seq2[string, index.Value] { return list(nil).All() }

// softdeps appends the softdep directives of a module, as modules.softdep has them.
func (t *tree) softdeps(c *Config, name string) {
	for _, text := range t.facts(name).info {
		if rest, ok := strings.CutPrefix(text, "softdep="); ok {
			c.Softdeps = append(c.Softdeps, parseSoftdep(name, rest))
		}
	}
}

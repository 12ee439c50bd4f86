package modprobe

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

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
	p     *Prober
	files map[string]string // module → file, below the module directory or absolute

	mu    sync.Mutex
	known map[string]*treeFacts
	all   sync.Once // readAll
	names []string  // of the files, sorted, by readAll
	kept  keptFacts
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
	if len(t.files) > 0 {
		p.tables.Load().reported.Do(func() {
			p.report(&TableError{File: p.path(name + ".bin"), Instead: "the modules themselves", Err: err})
		})
	}
	return t
}

// tree returns the files of the module directory, those that depmod would list.
func (p *Prober) tree() *tree {
	p.tables.Load().tree.once.Do(func() {
		t := &tree{p: p, known: make(map[string]*treeFacts)}
		p.tables.Load().tree.tree = t
		if p.hasDir {
			// depmod says what is wrong there
			config, _, _ := moduledir.ReadConfig(p.fsys, moduledir.ConfigDirs(), p.release)
			t.restore(config)
		}
	})
	return p.tables.Load().tree.tree
}

// has reports whether there is a module of that name. Nothing is opened for it.
func (t *tree) has(name string) bool {
	_, ok := t.files[name]
	return ok
}

// Lookup returns the line that modules.dep would have for a module.
func (t *tree) Lookup(name string) (string, bool) {
	file, ok := t.files[name]
	if !ok {
		return "", false
	}
	var order []string // what is needed comes before what needs it
	t.needs(name, map[string]bool{name: true}, &order)
	slices.Reverse(order)
	line := file + ":"
	for _, module := range order {
		line += " " + t.files[module]
	}
	return line, true
}

// needs appends what a module needs to order, deepest first.
func (t *tree) needs(name string, seen map[string]bool, order *[]string) {
	for _, text := range t.facts(name).info {
		list, ok := strings.CutPrefix(text, "depends=")
		if !ok {
			continue
		}
		for dep := range strings.SplitSeq(list, ",") {
			dep = alias.ModName(dep)
			if _, ok := t.files[dep]; !ok || seen[dep] {
				continue
			}
			seen[dep] = true
			t.needs(dep, seen, order)
			*order = append(*order, dep)
		}
	}
}

// facts returns what a module says about itself; nothing if it cannot be read, which is reported.
func (t *tree) facts(name string) *treeFacts {
	t.mu.Lock()
	f := t.known[name]
	if f == nil {
		f = new(treeFacts)
		t.known[name] = f
	}
	t.mu.Unlock()
	f.once.Do(func() {
		if err := f.read(t.p, t.files[name]); err != nil {
			f.failed = true
			t.p.report(&TableError{File: t.p.path(t.files[name]), Err: err})
		} else if t.p.opts.Facts != nil && t.keeps(f) {
			t.kept.fresh.Store(true)
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
		f.stamp = p.stamp(file)
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

// readAll reads all modules, several at a time, and returns their names in order.
func (t *tree) readAll() []string {
	t.all.Do(func() {
		t.names = slices.Sorted(maps.Keys(t.files))
		parallel(len(t.names), func(i int) { t.facts(t.names[i]) })
		t.keep()
	})
	return t.names
}

// Search finds nothing: the names of modules are no patterns.
func (t *tree) Search(dst []index.Value, _ string) []index.Value { return dst }

// All returns nothing: [Prober.Files] reads the tree itself.
func (t *tree) All() iter.Seq2[string, index.Value] { return list(nil).All() }

// aliases returns the aliases of all modules.
func (t *tree) aliases() (l list) {
	for _, name := range t.readAll() {
		for _, text := range t.facts(name).info {
			if pattern, ok := strings.CutPrefix(text, "alias="); ok {
				if key, err := alias.Normalize(pattern); err == nil {
					l = append(l, entry{key, name})
				}
			}
		}
	}
	return l
}

// symbols returns the symbols that the modules export, as modules.symbols has them.
func (t *tree) symbols() (l list) {
	for _, name := range t.readAll() {
		for _, symbol := range t.facts(name).exports {
			l = append(l, entry{"symbol:" + symbol, name})
		}
	}
	return l
}

// softdeps appends the softdep directives of a module, as modules.softdep has them.
func (t *tree) softdeps(c *Config, name string) {
	for _, text := range t.facts(name).info {
		if rest, ok := strings.CutPrefix(text, "softdep="); ok {
			c.Softdeps = append(c.Softdeps, parseSoftdep(name, rest))
		}
	}
}

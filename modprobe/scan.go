package modprobe

import (
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
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
	files map[string]string // module → file, below the module directory

	mu   sync.Mutex
	info map[string][]string // module → its .modinfo
}

// tree returns the files of the module directory, and says once that they are used.
func (p *Prober) tree() *tree {
	tables := p.tables.Load()
	tables.tree.once.Do(func() {
		t := &tree{p: p, files: make(map[string]string), info: make(map[string][]string)}
		tables.tree.tree = t
		fs.WalkDir(p.fsys, p.name("."), t.visit)
		if len(t.files) > 0 {
			p.report(&TableError{File: p.path("modules.dep.bin"), Instead: "the modules themselves", Err: errNoTable})
		}
	})
	return tables.tree.tree
}

// visit adds a file. Of two with the same name the one in updates/ counts, else the first.
func (t *tree) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return nil // what cannot be read has no modules for us
	}
	if d.IsDir() {
		if d.Name() == "build" || d.Name() == "source" {
			return fs.SkipDir
		}
		return nil
	}
	if !isModuleFile(name) {
		return nil
	}
	module := alias.FromPath(name)
	rel := strings.TrimPrefix(name, t.p.name(".")+"/")
	if _, ok := t.files[module]; !ok || strings.HasPrefix(rel, "updates/") && !strings.HasPrefix(t.files[module], "updates/") {
		t.files[module] = rel
	}
	return nil
}

// isModuleFile reports whether a file of that name is a module.
func isModuleFile(name string) bool {
	for _, suffix := range []string{".gz", ".xz", ".zst"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			name = base
			break
		}
	}
	return strings.HasSuffix(name, ".ko")
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
	for _, text := range t.modinfo(name) {
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

// modinfo returns what a module says about itself; nothing if it cannot be read.
func (t *tree) modinfo(name string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if info, ok := t.info[name]; ok {
		return info
	}
	var info []string
	t.read(name, func(f *elf.File) (err error) {
		info, err = f.Modinfo()
		return err
	})
	info = slices.Clone(info)
	for i := range info {
		info[i] = strings.Clone(info[i]) // do not keep the whole image
	}
	t.info[name] = info
	return info
}

// read reads a module and passes it to look. It reports what goes wrong.
func (t *tree) read(name string, look func(*elf.File) error) {
	image, _, err := compress.ReadFile(t.p.fsys, t.p.name(t.files[name]), nil, 0)
	var f *elf.File
	if err == nil {
		f, err = elf.Parse(image)
	}
	if err == nil {
		err = look(f)
	}
	if err != nil {
		t.p.report(&TableError{File: t.p.path(t.files[name]), Err: err})
	}
}

// Search finds nothing: the names of modules are no patterns.
func (t *tree) Search(dst []index.Value, _ string) []index.Value { return dst }

// All returns nothing: nobody asks for all lines of modules.dep.
func (t *tree) All() iter.Seq2[string, index.Value] { return list(nil).All() }

// aliases returns the aliases of all modules.
func (t *tree) aliases(p *Prober) list {
	var l list
	for _, name := range t.names() {
		for _, text := range t.modinfo(name) {
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
	for _, name := range t.names() {
		t.read(name, func(f *elf.File) error {
			exports, err := f.Exports()
			for _, e := range exports {
				l = append(l, entry{"symbol:" + e.Name, name})
			}
			return err
		})
	}
	return l
}

// names returns the names of all modules, in order.
func (t *tree) names() []string { return slices.Sorted(maps.Keys(t.files)) }

package modprobe

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// table is one of the tables of a module directory, from its .bin file or from something slower.
type table interface {
	// Lookup returns the first value of a key.
	Lookup(key string) (string, bool)
	// Search appends the values of all keys that match, as patterns, a name.
	Search(dst []index.Value, name string) []index.Value
	// All returns every entry, in order.
	All() iter.Seq2[string, index.Value]
}

// tables are the tables of the module directory. Each is opened when it is first asked, since most calls need one or
// two of them: a name that does not exist is what the kernel asks for most of the time.
type tables struct {
	// dep leads from a module to a line of modules.dep, alias and symbols from patterns to modules, builtinAlias to
	// builtin ones; builtin has only keys.
	dep, alias, symbols, builtin, builtinAlias lazyTable
	// tree is the module directory itself, read when tables are not usable.
	tree lazyTree

	// config is the configuration with what stands in modules.softdep and modules.weakdep.
	config     *Config
	configOnce sync.Once

	// lines are the forbid and allow lines: which modules their names stand for depends on the tables.
	lines     []line
	linesOnce sync.Once

	before   *tables // read earlier; their memory may still be in use
	mu       sync.Mutex
	opened   map[string]fs.FileInfo // the files that were read; nil: there was none
	reported sync.Once              // that the tree stands in for a table, or a table is stale
	// noSoftdep is set if modules.softdep exists and is empty.
	noSoftdep bool
}

// note records which file was read.
func (t *tables) note(name string, info fs.FileInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil {
		t.opened = make(map[string]fs.FileInfo)
	}
	t.opened[name] = info
}

// lazyTable is a table that is opened once.
type lazyTable struct {
	once sync.Once
	table
}

// get returns the table, opened by open the first time.
func (t *lazyTable) get(open func() table) table {
	t.once.Do(func() { t.table = open() })
	return t.table
}

// dep returns the table of the modules' files.
func (p *Prober) dep() table {
	return p.tables.Load().dep.get(func() table {
		t, err := p.open("modules.dep", readDep, true)
		if t != nil {
			return t
		}
		return p.treeFor("modules.dep", err)
	})
}

// alias returns the table of alias patterns.
func (p *Prober) alias() table {
	return p.tables.Load().alias.get(func() table {
		t, err := p.open("modules.alias", readAlias, true)
		if t != nil {
			return t
		}
		return p.treeFor("modules.alias", err).aliases()
	})
}

// symbols returns the table of exported symbols.
func (p *Prober) symbols() table {
	return p.tables.Load().symbols.get(func() table {
		t, err := p.open("modules.symbols", readAlias, true)
		if t != nil {
			return t
		}
		return p.treeFor("modules.symbols", err).symbols()
	})
}

// builtin returns the table of the builtin modules' names.
func (p *Prober) builtin() table {
	return p.tables.Load().builtin.get(func() table {
		t, _ := p.open("modules.builtin", readBuiltin, false)
		return orEmpty(t)
	})
}

// builtinAlias returns the table of the builtin modules' aliases.
func (p *Prober) builtinAlias() table {
	return p.tables.Load().builtinAlias.get(func() table {
		p.note("modules.builtin.alias.bin")
		x, err := moduledir.OpenIndex(p.fsys, p.name("modules.builtin.alias.bin"))
		if err == nil {
			return x
		}
		if isDamaged(err) {
			p.report(&TableError{File: p.path("modules.builtin.alias.bin"),
				Instead: "modules.builtin.modinfo", Err: err})
		}
		data, err := moduledir.ReadText(p.fsys, p.name("modules.builtin.modinfo"))
		if err != nil {
			return list(nil)
		}
		return readBuiltinModinfo(data)
	})
}

// orEmpty returns t, or a table without entries if t is nil.
func orEmpty(t table) table {
	if t == nil {
		return list(nil)
	}
	return t
}

// open opens NAME.bin, or the text file NAME that it was made from. If neither is usable it returns nil, and why
// NAME.bin is not. warn says whether it is worth a report that NAME.bin is missing or empty; that it is damaged is in
// any case.
func (p *Prober) open(name string, read func([]byte) list, warn bool) (table, error) {
	p.note(name + ".bin")
	x, err := moduledir.OpenIndex(p.fsys, p.name(name+".bin"))
	if err == nil {
		return x, nil
	}
	p.note(name)
	data, textErr := moduledir.ReadText(p.fsys, p.name(name))
	if textErr != nil {
		return nil, err
	}
	if warn || isDamaged(err) {
		p.report(&TableError{File: p.path(name + ".bin"), Instead: name, Err: err})
	}
	return read(data), nil
}

// isDamaged reports whether a table that is not usable is damaged, and not just missing or empty.
func isDamaged(err error) bool {
	var format *index.FormatError
	return errors.As(err, &format)
}

// note records which file of that name there is. It is called before the file is read.
func (p *Prober) note(name string) {
	info, err := fs.Stat(p.fsys, p.name(name))
	if err != nil {
		info = nil
	}
	p.tables.Load().note(name, info)
}

// readText reads a file beside the tables.
func (p *Prober) readText(name string, limit int64) ([]byte, error) {
	f, info, err := trusted.OpenInfo(p.fsys, p.name(name))
	p.tables.Load().note(name, info)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trusted.ReadOpen(f, info.Size(), limit)
}

// list is a table in memory. Its entries are looked at one by one; their order is that of their priority.
type list []entry

// entry is one key, which may be a pattern, and one value.
type entry struct{ key, value string }

// Lookup returns the first value of a key.
func (l list) Lookup(key string) (string, bool) {
	for i := range l {
		if l[i].key == key {
			return l[i].value, true
		}
	}
	return "", false
}

// Search appends the values whose keys match. As in the .bin tables a key is plain text up to its first '*', '?' or
// '['.
func (l list) Search(dst []index.Value, name string) []index.Value {
	for i, e := range l {
		plain := strings.IndexAny(e.key, "*?[")
		match := e.key == name
		if plain >= 0 {
			match = strings.HasPrefix(name, e.key[:plain]) && glob.Match(e.key[plain:], name[plain:])
		}
		if match {
			dst = append(dst, index.Value{Priority: uint32(i), Value: e.value})
		}
	}
	return dst
}

// All returns every entry.
func (l list) All() iter.Seq2[string, index.Value] {
	return func(yield func(string, index.Value) bool) {
		for i, e := range l {
			if !yield(e.key, index.Value{Priority: uint32(i), Value: e.value}) {
				return
			}
		}
	}
}

// Aliases returns the patterns of modules.alias and modules.symbols, in the order in which modprobe -c prints them.
func (p *Prober) Aliases() iter.Seq[Alias] {
	return func(yield func(Alias) bool) {
		for _, t := range []table{p.alias(), p.symbols()} {
			for key, v := range t.All() {
				if !yield(Alias{key, v.Value}) {
					return
				}
			}
		}
	}
}

// Exporter returns the module of the tree that exports a symbol; false if there is none.
func (p *Prober) Exporter(symbol string) (module string, ok bool) {
	return p.symbols().Lookup("symbol:" + symbol)
}

// HasSymbols reports whether the exports of the tree's modules are known. If not, Exporter finds nothing.
func (p *Prober) HasSymbols() bool {
	l, ok := p.symbols().(list)
	return !ok || len(l) > 0
}

// Files yields the absolute paths of the files of all modules of the tree, in the order of the table.
func (p *Prober) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		dep := p.dep()
		if t, ok := dep.(*tree); ok { // without tables
			for _, file := range slices.Sorted(maps.Values(t.files)) {
				if !yield(p.path(file)) {
					return
				}
			}
			return
		}
		for _, value := range dep.All() {
			file, _, _ := strings.Cut(value.Value, ":")
			if !yield(p.path(file)) {
				return
			}
		}
	}
}

// readDep reads modules.dep: "FILE: FILE…", the key being the first file's module.
func readDep(data []byte) (l list) {
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), "\r\n")
		if file, _, ok := strings.Cut(text, ":"); ok && file != "" && file[0] != '#' {
			l = append(l, entry{alias.FromPath(file), text})
		}
	}
	return l
}

// readAlias reads modules.alias and modules.symbols: "alias PATTERN MODULE".
func readAlias(data []byte) (l list) {
	for line := range bytes.Lines(data) {
		// A pattern may have blanks in it.
		rest, ok := strings.CutPrefix(strings.TrimRight(string(line), "\r\n"), "alias ")
		i := strings.LastIndexByte(rest, ' ')
		if !ok || i <= 0 || i == len(rest)-1 {
			continue
		}
		if key, err := alias.Normalize(rest[:i]); err == nil {
			l = append(l, entry{key, rest[i+1:]})
		}
	}
	return l
}

// readBuiltin reads modules.builtin: one file name in a line.
func readBuiltin(data []byte) (l list) {
	for line := range bytes.Lines(data) {
		if file := strings.TrimSpace(string(line)); file != "" {
			l = append(l, entry{alias.FromPath(file), ""})
		}
	}
	return l
}

// readBuiltinModinfo reads modules.builtin.modinfo: "MODULE.alias=PATTERN" among others, each ending in NUL.
func readBuiltinModinfo(data []byte) (l list) {
	for record := range bytes.SplitSeq(data, []byte{0}) {
		if len(record) == 0 {
			continue // padding
		}
		// As depmod cuts it: no name of a module is empty.
		dot := strings.IndexByte(string(record[1:]), '.') + 1
		pattern, isAlias := strings.CutPrefix(string(record[dot+1:]), "alias=")
		if dot == 0 || !isAlias || pattern == "" {
			continue
		}
		module := string(record[:dot])
		if key, err := alias.Normalize(pattern); err == nil {
			l = append(l, entry{key, module})
		}
	}
	return l
}

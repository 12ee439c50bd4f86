package initramfs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// TableSet says which tables of the module folder go into an image.
type TableSet string

// The sets of tables.
const (
	// BootTables are what loading by name and by alias needs, as modprobe and udev do: no text but where there is
	// no binary form, no symbols.
	BootTables TableSet = ""
	// AllTables are all that depmod writes or reads, for programs that read the text, such as busybox.
	AllTables TableSet = "all"
	// NoTables is none.
	NoTables TableSet = "none"
)

// table is a file of the module folder that has been trimmed.
type table struct {
	name string
	data []byte
}

// depEntry is a module of modules.dep.
type depEntry struct {
	name string // of the module
	path string // of its file, relative to the module folder or absolute
	deps string // paths of what it needs, with blanks between, what is loaded last first
	rank uint32 // position in modules.dep
}

// readDeps reads modules.dep.bin or, if that is not there, modules.dep, and returns the modules by rank.
func readDeps(fsys fs.FS, dir string) ([]depEntry, error) {
	var list []depEntry
	x, err := index.Open(fsys, path.Join(dir, "modules.dep.bin"))
	if err == nil {
		defer x.Close()
		err := x.Walk(func(key []byte, v index.Value) bool {
			if e, ok := parseDep(v.Value); ok {
				e.name, e.rank = string(key), v.Priority
				list = append(list, e)
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(dir, "modules.dep.bin"), err)
		}
		sort.Slice(list, func(i, j int) bool { return list[i].rank < list[j].rank })
		return list, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := trusted.ReadFile(fsys, path.Join(dir, "modules.dep"), moduledir.MaxTable)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if e, ok := parseDep(line); ok {
			e.name, e.rank = alias.FromPath(e.path), uint32(len(list))
			list = append(list, e)
		}
	}
	return list, nil
}

// parseDep cuts up a line of modules.dep.
func parseDep(line string) (depEntry, bool) {
	file, deps, ok := strings.Cut(strings.TrimSpace(line), ":")
	if !ok || file == "" {
		return depEntry{}, false
	}
	return depEntry{path: strings.Clone(file), deps: strings.Clone(deps)}, true
}

// trimmer writes the tables of a module folder again for some of its modules, without opening a module.
//
// Every table is what depmod would write for a tree of these modules alone, with one exception: in modules.dep
// and modules.dep.bin, the dependencies of a module stay in the order that they have in the full table, so that
// they are loaded in the same order inside the image as outside. (depmod orders them by a walk over the whole tree,
// so that its order changes with modules that have nothing to do with them.)
type trimmer struct {
	fsys fs.FS
	dir  string
	deps []depEntry        // to be kept, by rank
	rank map[string]uint32 // module name → new position
}

func newTrimmer(fsys fs.FS, dir string, keep []depEntry) *trimmer {
	t := &trimmer{fsys: fsys, dir: dir, deps: slices.Clone(keep), rank: make(map[string]uint32, len(keep))}
	sort.Slice(t.deps, func(i, j int) bool { return t.deps[i].rank < t.deps[j].rank })
	for i, d := range t.deps {
		t.rank[d.name] = uint32(i)
	}
	return t
}

// tables returns the tables of a set, those that the folder has.
func (t *trimmer) tables(set TableSet) ([]table, error) {
	if set == NoTables {
		return nil, nil
	}
	list := []struct {
		name string
		make func(name string) ([]byte, error)
		boot bool // part of BootTables
	}{
		{"modules.dep", t.depText, false},
		{"modules.dep.bin", t.depIndex, true},
		{"modules.alias", t.lastWord, false},
		{"modules.alias.bin", t.valueIndex, true},
		{"modules.softdep", t.secondWord, true},
		{"modules.weakdep", t.secondWord, false},
		{"modules.symbols", t.lastWord, false},
		{"modules.symbols.bin", t.valueIndex, false},
		{"modules.devname", t.firstWord, true},
		{"modules.order", t.whole, false},
		{"modules.builtin", t.whole, false},
		{"modules.builtin.bin", t.whole, true},
		{"modules.builtin.alias.bin", t.whole, true},
		{"modules.builtin.modinfo", t.whole, false},
	}
	var out []table
	for _, l := range list {
		if set == BootTables && !l.boot {
			continue
		}
		data, err := l.make(l.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(t.dir, l.name), err)
		}
		out = append(out, table{l.name, data})
	}
	return out, nil
}

// line is a module's line of modules.dep, with what is not kept left out.
func (t *trimmer) line(d *depEntry) []byte {
	b := append([]byte(d.path), ':')
	for dep := range strings.FieldsSeq(d.deps) {
		if _, ok := t.rank[alias.FromPath(dep)]; ok {
			b = append(append(b, ' '), dep...)
		}
	}
	return b
}

func (t *trimmer) depText(string) ([]byte, error) {
	var b []byte
	for i := range t.deps {
		b = append(append(b, t.line(&t.deps[i])...), '\n')
	}
	return b, nil
}

func (t *trimmer) depIndex(string) ([]byte, error) {
	b := index.NewBuilder()
	for i := range t.deps {
		if err := b.Add(t.deps[i].name, string(t.line(&t.deps[i])), uint32(i)); err != nil {
			return nil, err
		}
	}
	return b.Bytes()
}

// valueIndex trims an index whose values are names of modules; without the index it is made from the text of the
// same name.
func (t *trimmer) valueIndex(name string) ([]byte, error) {
	x, err := index.Open(t.fsys, path.Join(t.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return t.indexFromText(strings.TrimSuffix(name, ".bin"))
	} else if err != nil {
		return nil, err
	}
	defer x.Close()
	b := index.NewBuilder()
	var failed error
	err = x.Walk(func(key []byte, v index.Value) bool {
		if rank, ok := t.rank[v.Value]; ok {
			failed = b.Add(string(key), v.Value, rank)
		}
		return failed == nil
	})
	if err = cmp.Or(err, failed); err != nil {
		return nil, err
	}
	return b.Bytes()
}

// indexFromText makes an index from lines of the form "alias PATTERN MODULE".
func (t *trimmer) indexFromText(name string) ([]byte, error) {
	text, err := t.lastWord(name)
	if err != nil {
		return nil, err
	}
	b := index.NewBuilder()
	for line := range strings.Lines(string(text)) {
		pattern, module, ok := cutAlias(line)
		if !ok {
			continue
		}
		if !strings.HasPrefix(pattern, "symbol:") {
			if pattern, err = alias.Normalize(pattern); err != nil {
				continue // depmod leaves it out as well
			}
		}
		if err := b.Add(pattern, module, t.rank[module]); err != nil {
			return nil, err
		}
	}
	return b.Bytes()
}

// cutAlias cuts up a line "alias PATTERN MODULE". The pattern may have blanks in it.
func cutAlias(line string) (pattern, module string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "alias ")
	i := strings.LastIndexByte(rest, ' ')
	if !ok || i < 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// lastWord keeps the lines of a text whose last word is a module that is kept, and comments.
func (t *trimmer) lastWord(name string) ([]byte, error) {
	return t.filter(name, func(line []byte) []byte { return line[bytes.LastIndexByte(line, ' ')+1:] })
}

// firstWord is lastWord for the first word.
func (t *trimmer) firstWord(name string) ([]byte, error) {
	data, err := t.filter(name, func(line []byte) []byte {
		word, _, _ := bytes.Cut(line, []byte(" "))
		return word
	})
	if err == nil && bytes.Count(data, []byte("\n")) == 1 && data[0] == '#' {
		data = nil // depmod writes the heading only if something follows
	}
	return data, err
}

// secondWord is lastWord for the second word.
func (t *trimmer) secondWord(name string) ([]byte, error) {
	return t.filter(name, func(line []byte) []byte {
		_, rest, _ := bytes.Cut(line, []byte(" "))
		word, _, _ := bytes.Cut(rest, []byte(" "))
		return word
	})
}

// filter keeps the lines of a text whose module is kept, and comments.
func (t *trimmer) filter(name string, module func(line []byte) []byte) ([]byte, error) {
	data, err := trusted.ReadFile(t.fsys, path.Join(t.dir, name), moduledir.MaxTable)
	if err != nil {
		return nil, err
	}
	var out []byte
	for line := range bytes.Lines(data) {
		text := bytes.TrimRight(line, "\n")
		if _, ok := t.rank[string(module(text))]; ok || bytes.HasPrefix(text, []byte("#")) {
			out = append(append(out, text...), '\n')
		}
	}
	return out, nil
}

func (t *trimmer) whole(name string) ([]byte, error) {
	return trusted.ReadFile(t.fsys, path.Join(t.dir, name), moduledir.MaxTable)
}

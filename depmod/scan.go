package depmod

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
)

// module is one module and what is found out about it.
type module struct {
	path  string // as in modules.dep: below the folder of the modules, or absolute if outside
	shown string // as in problems
	file  string // as a name in FS
	name  string

	bucket uint32 // in kmod's hash table
	facts  *facts
	key    key   // by which the cache knows the file
	index  int   // position in the tables, and priority in the binary ones
	deps   []int // modules it needs directly, by index
	rank   int   // position in the order from users to used
}

// stem returns the path up to the end of the module's name.
func (m *module) stem() string {
	base := strings.LastIndexByte(m.path, '/') + 1
	return m.path[:min(base+len(m.name), len(m.path))]
}

// maxFolders bounds a search that links lead astray without leading it in a circle.
const maxFolders = 1 << 15

// errManyFolders is the error of a tree of more than maxFolders.
var errManyFolders = errors.New("too many folders")

// scan finds the modules: one for each name.
func (b *builder) scan() error {
	byName := make(map[string]int) // position in b.modules
	found := func(m *module) {
		i, ok := byName[m.name]
		switch {
		case !ok:
			byName[m.name] = len(b.modules)
			b.modules = append(b.modules, m)
		case b.config.Prefers(m.path, b.modules[i].path):
			b.modules[i] = m
		}
	}
	if b.Files != nil {
		for _, name := range b.Files {
			found(b.given(name))
		}
		return nil
	}
	return b.search(found)
}

// search looks for modules in the tree and in the folders that the configuration adds to it.
func (b *builder) search(found func(*module)) error {
	s := scanner{builder: b, found: found}
	defer s.ahead.stop()
	top := s.list(b.dir)
	if top.err != nil {
		b.report(Problem{Kind: Directory, Path: b.Shown, Err: top.err})
		return fmt.Errorf("search for modules: %w", top.err)
	}
	if err := s.folder(folder{file: b.dir, shown: b.Shown, prefix: ""}, top); err != nil {
		return err
	}
	for _, dir := range b.config.Externals() {
		file := inFS(dir)
		top := s.list(file)
		if top.err != nil {
			b.report(Problem{Kind: Directory, Path: dir, Err: top.err})
			continue
		}
		if err := s.folder(folder{file: file, shown: dir, prefix: dir + "/"}, top); err != nil {
			return err
		}
	}
	return nil
}

// given returns the module in a file that the caller named.
func (b *builder) given(name string) *module {
	m := &module{path: name, shown: name, file: inFS(name), name: alias.FromPath(name)}
	if rest, ok := strings.CutPrefix(name, b.Shown+"/"); ok {
		m.path = rest
	}
	return m
}

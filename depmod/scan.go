package depmod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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
	facts  facts
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

// isModule reports whether a file of that name is a module.
func isModule(name string) bool {
	stem, ok := cutCompression(name)
	if !ok {
		stem = name
	}
	return len(stem) > len(".ko") && strings.HasSuffix(stem, ".ko")
}

// cutCompression takes the suffix of a compression off a name.
func cutCompression(name string) (stem string, ok bool) {
	for _, suffix := range [...]string{".xz", ".zst", ".gz"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return stem, true
		}
	}
	return name, false
}

// maxFolders bounds a search that links lead astray without leading it in a circle.
const maxFolders = 1 << 15

// errManyFolders is the error of a tree of more than maxFolders.
var errManyFolders = errors.New("too many folders")

// scanner looks for modules.
type scanner struct {
	*builder
	found   func(*module) // called for each file that is a module
	folders int
}

// scan finds the modules: one for each name.
func (b *builder) scan() error {
	byName := make(map[string]int) // position in b.modules
	found := func(m *module) {
		i, ok := byName[m.name]
		switch {
		case !ok:
			byName[m.name] = len(b.modules)
			b.modules = append(b.modules, m)
		case b.config.prefers(m, b.modules[i]):
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
	entries, err := fs.ReadDir(b.FS, b.dir)
	if err != nil {
		b.report(Problem{Kind: Directory, Path: b.Shown, Err: err})
		return fmt.Errorf("search for modules: %w", err)
	}
	if err := s.folder(folder{file: b.dir, shown: b.Shown, prefix: ""}, entries); err != nil {
		return err
	}
	for _, dir := range b.config.externalsBackward() {
		file := inFS(dir)
		entries, err := fs.ReadDir(b.FS, file)
		if err != nil {
			b.report(Problem{Kind: Directory, Path: dir, Err: err})
			continue
		}
		if err := s.folder(folder{file: file, shown: dir, prefix: dir + "/"}, entries); err != nil {
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

// folder is a folder that is being searched.
type folder struct {
	file   string // as a name in FS
	shown  string // as in problems
	prefix string // what the paths of its modules begin with
	up     *folder
	linked bool        // it is below a link
	info   fs.FileInfo // what the file system says of it, once asked
}

// folder searches a folder and those in it.
func (s *scanner) folder(f folder, entries []fs.DirEntry) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.folders++; s.folders > maxFolders {
		return &fs.PathError{Op: "search", Path: f.shown, Err: errManyFolders}
	}
	for _, entry := range entries {
		name := entry.Name()
		if s.config.excludes[name] {
			continue
		}
		file, shown := path.Join(f.file, name), join(f.shown, name)
		mode := entry.Type()
		var info fs.FileInfo
		if mode&fs.ModeSymlink != 0 {
			var err error
			if info, err = fs.Stat(s.FS, file); err != nil {
				s.report(Problem{Kind: Entry, Path: shown, Text: name, Err: err})
				continue
			}
			mode = info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			below := folder{file: file, shown: shown, prefix: f.prefix + name + "/", up: &f, linked: f.linked || info != nil, info: info}
			if below.linked && s.loops(&below) {
				s.report(Problem{Kind: Loop, Path: shown})
				continue
			}
			entries, err := fs.ReadDir(s.FS, file)
			if err != nil {
				s.report(Problem{Kind: Directory, Path: shown, Text: name, Err: err})
				continue
			}
			if err := s.folder(below, entries); err != nil {
				return err
			}
		case mode.IsRegular():
			if isModule(name) {
				s.found(&module{path: f.prefix + name, shown: shown, file: file, name: alias.FromPath(name)})
			}
		default:
			s.report(Problem{Kind: FileType, Path: shown, Mode: mode})
		}
	}
	return nil
}

// loops reports whether f is a folder that it is in: only below a link can that be.
func (s *scanner) loops(f *folder) bool {
	target := s.stat(f)
	for up := f.up; up != nil && target != nil; up = up.up {
		if info := s.stat(up); info != nil && os.SameFile(info, target) {
			return true
		}
	}
	return false
}

// stat returns what the file system says of a folder, or nil.
func (s *scanner) stat(f *folder) fs.FileInfo {
	if f.info == nil {
		f.info, _ = fs.Stat(s.FS, f.file)
	}
	return f.info
}

package depmod

import (
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// scanner looks for modules.
type scanner struct {
	*builder
	found   func(*module) // called for each file that is a module, in the order of a search by one goroutine
	folders int
	ahead   ahead
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
func (s *scanner) folder(f folder, list *listing) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.folders++; s.folders > maxFolders {
		return &fs.PathError{Op: "search", Path: f.shown, Err: errManyFolders}
	}
	for i, entry := range list.entries {
		name := entry.Name()
		if s.config.Excludes(name) {
			continue
		}
		mode := entry.Type()
		if mode.IsRegular() && !moduledir.IsModule(name) {
			continue
		}
		file, shown, path := f.names(name)
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
			below := folder{
				file: file, shown: shown, prefix: path + "/",
				up: &f, linked: f.linked || info != nil, info: info,
			}
			if below.linked && s.loops(&below) {
				s.report(Problem{Kind: Loop, Path: shown})
				continue
			}
			next := list.below[i]
			if next == nil {
				next = &listing{file: file}
			}
			if s.complete(next); next.err != nil {
				s.report(Problem{Kind: Directory, Path: shown, Text: name, Err: next.err})
				continue
			}
			if err := s.folder(below, next); err != nil {
				return err
			}
			list.below[i] = nil // not needed any more
		case mode.IsRegular():
			if moduledir.IsModule(name) {
				s.found(&module{path: path, shown: shown, file: file, name: alias.FromPath(name)})
			}
		default:
			s.report(Problem{Kind: FileType, Path: shown, Mode: mode})
		}
	}
	return nil
}

// names returns the three names of an entry: in FS, in problems, and in the tables. Mostly they are parts of one
// string.
func (f *folder) names(name string) (file, shown, path string) {
	shown = join(f.shown, name)
	if f.file != "." && strings.HasSuffix(f.shown, f.file) {
		file = shown[len(f.shown)-len(f.file):]
	} else {
		file = inside(f.file, name)
	}
	if dir := shown[:len(shown)-len(name)]; strings.HasSuffix(dir, f.prefix) {
		path = shown[len(dir)-len(f.prefix):]
	} else {
		path = f.prefix + name
	}
	return file, shown, path
}

// inside returns the name in FS of an entry of a folder.
func inside(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
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

// listing is what is in a folder.
type listing struct {
	file    string // name of the folder in FS
	once    sync.Once
	entries []fs.DirEntry
	below   []*listing // of the entries that are folders
	err     error
}

// list lists a folder.
func (s *scanner) list(file string) *listing {
	l := &listing{file: file}
	s.complete(l)
	return l
}

// complete lists a folder unless that has been done, and has those in it listed ahead.
func (s *scanner) complete(l *listing) {
	l.once.Do(func() {
		if l.entries, l.err = fs.ReadDir(s.FS, l.file); l.err != nil {
			return
		}
		l.below = make([]*listing, len(l.entries))
		for i, entry := range l.entries {
			if entry.IsDir() && !s.config.Excludes(entry.Name()) {
				l.below[i] = &listing{file: inside(l.file, entry.Name())}
			}
		}
		s.ahead.add(s, l.below)
	})
}

// ahead lists folders before the search comes to them. What comes of it depends only on the search.
type ahead struct {
	mu      sync.Mutex
	todo    []*listing
	working int // goroutines
	folders int
	wg      sync.WaitGroup
}

// add adds folders to be listed.
func (a *ahead) add(s *scanner, list []*listing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range list {
		if l != nil && a.folders < maxFolders {
			a.folders++
			a.todo = append(a.todo, l)
		}
	}
	for a.working < min(s.Workers-1, len(a.todo)) {
		a.working++
		a.wg.Go(func() {
			for l := a.next(); l != nil; l = a.next() {
				s.complete(l)
			}
		})
	}
}

// next returns the next folder; nil if for now there is none, and then the goroutine is to end.
func (a *ahead) next() (l *listing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.todo) == 0 {
		a.working--
		return nil
	}
	l, a.todo = a.todo[0], a.todo[1:]
	return l
}

// stop waits for what is being done, and has no more of it done.
func (a *ahead) stop() {
	a.mu.Lock()
	a.todo = nil
	a.mu.Unlock()
	a.wg.Wait()
}

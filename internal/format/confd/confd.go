// Package confd finds and cuts up configuration in the style of modprobe.d(5) and depmod.d(5): which files of which
// folders count, in what order, and what a logical line is. What the lines mean is the business of its callers.
package confd

import (
	"errors"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// MaxSize is the size in bytes up to which a configuration file is read. A larger one is a Problem.
const MaxSize = 16 << 20

// ErrDirectory is the Problem.Err of a folder that is named like a configuration file.
var ErrDirectory = errors.New("a folder inside a configuration folder is not read")

// ErrTooLarge is the Problem.Err of a file of more than MaxSize bytes.
var ErrTooLarge = errors.New("configuration file too large")

// File is one configuration file that counts.
type File struct {
	// Name is the base name, by which files are sorted and by which one hides another.
	Name string
	// Path is the name to be used in messages: absolute if the place it was looked for was.
	Path string
	// Data is the content.
	Data []byte
	// Info is what the open file said of itself; nil if it was not opened.
	Info fs.FileInfo
}

// Problem is something in the configuration that is passed over.
type Problem struct {
	// Path is the file, as File.Path.
	Path string
	// Line is the number of the line from 1, or 0 if the whole file is meant.
	Line int
	// Text says what is wrong, for people.
	Text string
	// Err is the cause if there is one: ErrDirectory, ErrTooLarge, or an *fs.PathError whose Op is "stat" for an
	// entry that leads nowhere and "open" or "read" for a file that cannot be read (kmod says nothing about these).
	Err error
}

// Error implements error, so that a Problem can be returned as one by those who cannot pass over it.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Path)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// Unwrap returns p.Err.
func (p Problem) Unwrap() error { return p.Err }

// Files returns the configuration in places, sorted by base name in byte order. A place is a folder, of which the
// files named *.conf count, or a file, which counts under any name; what does not exist is passed over in silence. Of
// two files of the same base name only the one from the earlier place counts, even if it is empty or a link to
// /dev/null. Places are spelled as in messages; a leading slash is the root of fsys.
//
// These are the rules of kmod, so places are the folders of modprobe.d(5), or what -C named; modules.softdep and
// modules.weakdep of a module tree join as two more files at the end.
func Files(fsys fs.FS, places []string) (files []File, problems []Problem) {
	l := list{fsys: fsys, seen: make(map[string]bool)}
	for _, place := range places {
		l.place(place)
	}
	sort.SliceStable(l.files, func(i, j int) bool { return l.files[i].Name < l.files[j].Name })
	return l.files, l.problems
}

// list is what Files has found so far.
type list struct {
	fsys     fs.FS
	seen     map[string]bool // by base name
	files    []File
	problems []Problem
}

func (l *list) add(full string, data []byte, info fs.FileInfo) {
	name := path.Base(full)
	l.seen[name] = true
	l.files = append(l.files, File{name, full, data, info})
}

func (l *list) report(full string, err error) {
	l.problems = append(l.problems, Problem{Path: full, Text: text(err), Err: err})
}

// place adds what there is in a place.
func (l *list) place(place string) {
	info, err := fs.Stat(l.fsys, inFS(place))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.report(place, statError(err))
		}
		return
	}
	if !info.IsDir() {
		if !l.seen[path.Base(place)] {
			if data, info, err := l.read(place, info.Mode().IsRegular()); err != nil {
				l.report(place, err)
			} else {
				l.add(place, data, info)
			}
		}
		return
	}
	entries, err := fs.ReadDir(l.fsys, inFS(place))
	if err != nil {
		l.report(place, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); wanted(name) && !l.seen[name] {
			l.entry(strings.TrimRight(place, "/") + "/" + name)
		}
	}
}

// statError says that an error is of a look at a file: some file systems follow links by opening what is on the way.
func statError(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: "stat", Path: e.Path, Err: e.Err}
	}
	return err
}

// entry adds an entry of a folder.
func (l *list) entry(full string) {
	info, err := fs.Stat(l.fsys, inFS(full))
	switch {
	case err != nil:
		l.report(full, statError(err))
	case info.IsDir():
		l.report(full, ErrDirectory)
	case !info.Mode().IsRegular(): // a link to /dev/null hides; a FIFO would keep us waiting
		l.add(full, nil, nil)
	default:
		data, info, err := l.read(full, true)
		if err != nil && !errors.Is(err, trusted.ErrNotRegular) { // else it became one of those just now
			l.report(full, err)
		}
		l.add(full, data, info)
	}
}

// wanted reports whether a file of that name in a configuration folder counts.
func wanted(name string) bool {
	return len(name) > len(".conf") && name[0] != '.' && strings.HasSuffix(name, ".conf")
}

// inFS returns the name that an fs.FS knows a path by.
func inFS(name string) string {
	name = path.Clean("/" + name)[1:]
	if name == "" {
		return "."
	}
	return name
}

// read reads a file. One that is not regular is read only if somebody named it, a pipe perhaps.
func (l *list) read(full string, regular bool) (data []byte, info fs.FileInfo, err error) {
	name := inFS(full)
	var f fs.File
	if regular {
		f, info, err = trusted.OpenInfo(l.fsys, name)
	} else if f, err = l.fsys.Open(name); err == nil {
		info, err = f.Stat()
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err = trusted.ReadOpen(f, info.Size(), MaxSize)
	if errors.Is(err, trusted.ErrTooLarge) {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, nil, err
	}
	return data, info, nil
}

// text returns err without the name of the file, which Problem has anyway.
func text(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Op + ": " + e.Err.Error()
	}
	return err.Error()
}

package initramfs

import (
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"
)

// All returns the entries of the image in the order of the archive: sorted, with all parents, each path once. An error
// comes alone, before the first entry.
func (s *Selection) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := s.Entries()
		if err == nil {
			entries, err = arrange(entries, nil)
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// NewFS returns entries as a file system, as they are after the kernel has unpacked an image of them. Links are
// followed inside of it. It implements [fs.ReadDirFS] and [fs.ReadLinkFS]. All times are zero.
func NewFS(entries []Entry) (fs.FS, error) {
	list, err := arrange(entries, nil)
	if err != nil {
		return nil, err
	}
	v := &view{entries: make(map[string]*Entry, len(list)+1), children: make(map[string][]fs.DirEntry)}
	root := Dir(".")
	v.entries["."] = &root
	for i := range list {
		e := &list[i]
		v.entries[e.Path] = e
		dir := path.Dir(e.Path)
		v.children[dir] = append(v.children[dir], viewInfo{e})
	}
	for _, c := range v.children {
		slices.SortFunc(c, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return v, nil
}

// view is the file system of NewFS.
type view struct {
	entries  map[string]*Entry // by path; "." is the root
	children map[string][]fs.DirEntry
}

// lookup returns the entry for a name, after all links on the way; last says whether the last element is followed.
func (v *view) lookup(op, name string, last bool) (*Entry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	done, err := followLinks(name, last, func(name string) (string, bool, error) {
		e, ok := v.entries[name]
		if !ok {
			return "", false, fs.ErrNotExist
		}
		return e.Target, e.Mode&fs.ModeSymlink != 0, nil
	})
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return v.entries[done], nil
}

// Open opens a file. What is neither a regular file nor a directory has no content.
func (v *view) Open(name string) (fs.File, error) {
	e, err := v.lookup("open", name, true)
	if err != nil {
		return nil, err
	}
	if e.Mode.IsDir() {
		return &viewDir{viewInfo{e}, v.children[e.Path]}, nil
	}
	f := &viewFile{viewInfo: viewInfo{e}, ReadCloser: io.NopCloser(strings.NewReader(""))}
	if e.Mode.IsRegular() && e.Open != nil {
		if f.ReadCloser, err = e.Open(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ReadDir lists a directory.
func (v *view) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := v.lookup("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !e.Mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDir}
	}
	return slices.Clone(v.children[e.Path]), nil
}

// Stat describes a file, what a link leads to.
func (v *view) Stat(name string) (fs.FileInfo, error) { return v.info("stat", name, true) }

// Lstat describes a file, a link itself.
func (v *view) Lstat(name string) (fs.FileInfo, error) { return v.info("lstat", name, false) }

func (v *view) info(op, name string, last bool) (fs.FileInfo, error) {
	e, err := v.lookup(op, name, last)
	if err != nil {
		return nil, err
	}
	return viewInfo{e}, nil
}

// ReadLink returns the target of a link.
func (v *view) ReadLink(name string) (string, error) {
	e, err := v.lookup("readlink", name, false)
	if err != nil {
		return "", err
	}
	if e.Mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return e.Target, nil
}

// viewInfo describes an entry.
type viewInfo struct{ e *Entry }

func (i viewInfo) Name() string               { return path.Base(i.e.Path) }
func (i viewInfo) Size() int64                { return i.e.Size }
func (i viewInfo) Mode() fs.FileMode          { return i.e.Mode }
func (i viewInfo) Type() fs.FileMode          { return i.e.Mode.Type() }
func (i viewInfo) ModTime() time.Time         { return time.Time{} }
func (i viewInfo) IsDir() bool                { return i.e.Mode.IsDir() }
func (i viewInfo) Sys() any                   { return i.e }
func (i viewInfo) Stat() (fs.FileInfo, error) { return i, nil }
func (i viewInfo) Info() (fs.FileInfo, error) { return i, nil }

// viewFile is an open file.
type viewFile struct {
	viewInfo
	io.ReadCloser
}

// viewDir is an open directory.
type viewDir struct {
	viewInfo
	rest []fs.DirEntry
}

func (d *viewDir) Close() error { return nil }

func (d *viewDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.e.Path, Err: errIsDir}
}

func (d *viewDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.rest) {
		n = len(d.rest)
	}
	list := slices.Clone(d.rest[:n])
	d.rest = d.rest[n:]
	return list, nil
}

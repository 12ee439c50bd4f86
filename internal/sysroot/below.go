package sysroot

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// Below returns fsys with symbolic links followed inside the folder dir, a name in fsys, for what is in there: a link
// to an absolute path starts again at dir. Names outside of dir mean the same as in fsys, and so does a link that
// leaves dir by "..". It is for use while no folder or link in dir changes.
func Below(fsys fs.FS, dir string) fs.FS {
	if dir == "." {
		return fsys
	}
	return belowFS{fsys, dir + "/", Still(rootFS{fsys: prefixed{fsys, dir}, strict: true})}
}

// Confine returns a file system that can be used as the root of a system. An os.DirFS of a folder other than "/", whose
// absolute links would lead to this machine, is replaced by New of it; others are returned as they are.
func Confine(fsys fs.FS) fs.FS {
	v := reflect.ValueOf(fsys)
	if v.IsValid() && v.Type() == reflect.TypeOf(os.DirFS("")) && strings.Trim(v.String(), "/") != "" {
		return New(fsys)
	}
	return fsys
}

// Sub returns the folder dir, a name in fsys, as a file system. Links may lead out of it.
func Sub(fsys fs.FS, dir string) fs.FS {
	if dir == "." {
		return fsys
	}
	return prefixed{fsys, dir}
}

// Resolve follows all symbolic links of a name inside fsys; see New. Elements that do not exist are kept. A link
// that leads out by ".." is an error.
func Resolve(fsys fs.FS, name string) (string, error) { return resolveFrom(fsys, ".", name, true) }

// belowFS is what Below returns.
type belowFS struct {
	fsys   fs.FS
	prefix string // of what is in the folder
	inside fs.FS
}

// at returns where a name is looked up.
func (b belowFS) at(name string) (fs.FS, string) {
	if rest, ok := strings.CutPrefix(name, b.prefix); ok {
		return b.inside, rest
	}
	return b.fsys, name
}

// Open opens a file.
func (b belowFS) Open(name string) (fs.File, error) {
	fsys, at := b.at(name)
	f, err := fsys.Open(at)
	if errors.Is(err, errOutside) {
		return b.fsys.Open(name)
	}
	return f, named(err, name)
}

// Stat describes the file a name leads to.
func (b belowFS) Stat(name string) (fs.FileInfo, error) {
	fsys, at := b.at(name)
	info, err := fs.Stat(fsys, at)
	if errors.Is(err, errOutside) {
		return fs.Stat(b.fsys, name)
	}
	return info, named(err, name)
}

// Lstat describes a file or link.
func (b belowFS) Lstat(name string) (fs.FileInfo, error) {
	fsys, at := b.at(name)
	info, err := fs.Lstat(fsys, at)
	if errors.Is(err, errOutside) {
		return fs.Lstat(b.fsys, name)
	}
	return info, named(err, name)
}

// ReadDir lists a directory.
func (b belowFS) ReadDir(name string) ([]fs.DirEntry, error) {
	fsys, at := b.at(name)
	list, err := fs.ReadDir(fsys, at)
	if errors.Is(err, errOutside) {
		return fs.ReadDir(b.fsys, name)
	}
	return list, named(err, name)
}

// ReadLink returns where a link points, as it is stored.
func (b belowFS) ReadLink(name string) (string, error) {
	fsys, at := b.at(name)
	target, err := fs.ReadLink(fsys, at)
	if errors.Is(err, errOutside) {
		return fs.ReadLink(b.fsys, name)
	}
	return target, named(err, name)
}

// named sets the name in an error to the one that was asked for.
func named(err error, name string) error {
	if e, ok := err.(*fs.PathError); ok {
		return &fs.PathError{Op: e.Op, Path: name, Err: e.Err}
	}
	return err
}

// prefixed is a folder of a file system. Unlike that of fs.Sub its names may have any bytes.
type prefixed struct {
	fsys fs.FS
	dir  string
}

// name returns the name in fsys.
func (p prefixed) name(name string) string {
	if name == "." {
		return p.dir
	}
	return p.dir + "/" + name
}

// Open opens a file.
func (p prefixed) Open(name string) (fs.File, error) { return p.fsys.Open(p.name(name)) }

// Stat describes the file a name leads to.
func (p prefixed) Stat(name string) (fs.FileInfo, error) { return fs.Stat(p.fsys, p.name(name)) }

// Lstat describes a file or link.
func (p prefixed) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(p.fsys, p.name(name)) }

// ReadDir lists a directory.
func (p prefixed) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(p.fsys, p.name(name))
}

// ReadLink returns where a link points, as it is stored.
func (p prefixed) ReadLink(name string) (string, error) { return fs.ReadLink(p.fsys, p.name(name)) }

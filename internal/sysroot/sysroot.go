// Package sysroot finds files by absolute path in an fs.FS: it turns paths as people type them into names, and keeps
// symbolic links inside a root that is not this machine's.
package sysroot

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// Name turns an absolute path into a name in fsys. A ".." is taken after links have been followed, as the kernel
// does, and not by cutting the text.
func Name(fsys fs.FS, abs string) (string, error) {
	if !strings.Contains(abs, "..") {
		return clean(abs), nil
	}
	return resolve(fsys, abs)
}

// clean makes a path without ".." valid for an fs.FS.
func clean(abs string) string {
	if !strings.HasPrefix(abs, "/") {
		abs = "/" + abs
	}
	name := path.Clean(abs)[1:]
	if name == "" {
		return "."
	}
	return name
}

// maxLinks is how many symbolic links a path may go through; the kernel's limit.
const maxLinks = 40

// errLoop reports too many links; ELOOP is not on every system.
var errLoop = errors.New("too many levels of symbolic links")

// resolve follows all symbolic links of a path inside fsys: a link to an absolute path starts again at the root of
// fsys, and ".." stops there. Elements that do not exist are kept, without "..".
func resolve(fsys fs.FS, name string) (string, error) { return resolveFrom(fsys, ".", name, false) }

// errOutside reports that a ".." leads out of the root.
var errOutside = errors.New("outside of the root")

// resolveFrom is resolve for a path that begins in a directory which no links lead to. If strict, a ".." that leads
// out of the root is errOutside.
func resolveFrom(fsys fs.FS, done, name string, strict bool) (string, error) {
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		element := todo[0]
		todo = todo[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if strict && done == "." {
				return "", &fs.PathError{Op: "open", Path: name, Err: errOutside}
			}
			// What does not exist, or is a file, has no "..".
			if info, err := fs.Stat(fsys, done); err != nil {
				return "", err
			} else if !info.IsDir() {
				return "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, element)
		target, err := fs.ReadLink(fsys, next)
		if err != nil {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: errLoop}
		}
		if strings.HasPrefix(target, "/") {
			done = "."
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

// New returns fsys with symbolic links followed inside it, so that a link to /usr/lib in the root file system of
// another machine does not lead to this one's.
func New(fsys fs.FS) fs.FS { return rootFS{fsys: fsys} }

// Still returns a file system of New for use while no folder or link in it changes: it resolves each folder once. Other
// file systems are returned as they are.
func Still(fsys fs.FS) fs.FS {
	if r, ok := fsys.(rootFS); ok {
		return rootFS{r.fsys, new(sync.Map), r.strict}
	}
	return fsys
}

// valid reports whether a name is one of an fs.FS, but that it may have any bytes.
func valid(name string) bool { return fs.ValidPath(strings.ToValidUTF8(name, "?")) }

type rootFS struct {
	fsys fs.FS
	dirs *sync.Map // where folders lead, string to string; nil: not remembered
	// strict is that links which lead out of the root by "..", not by a slash, are errOutside, not kept inside.
	strict bool
}

// openInside has the file system below keep links inside, if it can.
func (r rootFS) openInside(name string, now bool) (f fs.File, ok bool, err error) {
	inside, is := r.fsys.(interface {
		OpenInside(name string, now bool) (f fs.File, ok bool, err error)
	})
	if !is || r.strict || !valid(name) {
		return nil, false, nil
	}
	return inside.OpenInside(name, now)
}

// Open opens the file a name leads to inside the root.
func (r rootFS) Open(name string) (fs.File, error) {
	if f, ok, err := r.openInside(name, false); ok {
		return f, err
	}
	name, err := r.name("open", name)
	if err != nil {
		return nil, err
	}
	return r.fsys.Open(name)
}

// Within returns the file system below, and the name there that a name leads to.
func (r rootFS) Within(name string) (fs.FS, string, error) {
	name, err := r.name("open", name)
	return r.fsys, name, err
}

// OpenNow is Open, but does not wait for the other end of a FIFO, if the file system below can do that.
func (r rootFS) OpenNow(name string) (fs.File, error) {
	if f, ok, err := r.openInside(name, true); ok {
		return f, err
	}
	name, err := r.name("open", name)
	if err != nil {
		return nil, err
	}
	if now, ok := r.fsys.(interface {
		OpenNow(name string) (fs.File, error)
	}); ok {
		return now.OpenNow(name)
	}
	if info, err := fs.Stat(r.fsys, name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return r.fsys.Open(name)
}

// Stat describes the file a name leads to inside the root.
func (r rootFS) Stat(name string) (fs.FileInfo, error) {
	name, err := r.name("stat", name)
	if err != nil {
		return nil, err
	}
	return fs.Stat(r.fsys, name)
}

// ReadDir lists the directory a name leads to inside the root.
func (r rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	name, err := r.name("open", name)
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(r.fsys, name)
}

// ReadLink returns where a link points, as it is stored.
func (r rootFS) ReadLink(name string) (string, error) {
	name, err := r.parent("readlink", name)
	if err != nil {
		return "", err
	}
	return fs.ReadLink(r.fsys, name)
}

// Lstat describes a file or link.
func (r rootFS) Lstat(name string) (fs.FileInfo, error) {
	name, err := r.parent("lstat", name)
	if err != nil {
		return nil, err
	}
	return fs.Lstat(r.fsys, name)
}

// name resolves all links of a valid name.
func (r rootFS) name(op, name string) (string, error) {
	if !valid(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if r.dirs == nil {
		return resolveFrom(r.fsys, ".", name, r.strict)
	}
	dir, err := r.dir(name)
	if err != nil {
		return "", err
	}
	return resolveFrom(r.fsys, dir, path.Base(name), r.strict)
}

// dir resolves the links of all elements of a valid name but the last.
func (r rootFS) dir(name string) (string, error) {
	dir := path.Dir(name)
	if r.dirs == nil {
		return resolveFrom(r.fsys, ".", dir, r.strict)
	}
	return r.known(dir)
}

// known resolves the links of a folder's name, from where the folder above it leads.
func (r rootFS) known(dir string) (string, error) {
	if dir == "." {
		return dir, nil
	}
	if known, ok := r.dirs.Load(dir); ok {
		return known.(string), nil
	}
	above, err := r.known(path.Dir(dir))
	if err != nil {
		return "", err
	}
	done, err := resolveFrom(r.fsys, above, path.Base(dir), r.strict)
	if err == nil {
		r.dirs.Store(dir, done)
	}
	return done, err
}

// parent resolves all links of a valid name but the last element.
func (r rootFS) parent(op, name string) (string, error) {
	if !valid(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return name, nil
	}
	dir, err := r.dir(name)
	return path.Join(dir, path.Base(name)), err
}

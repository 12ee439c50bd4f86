// Package trusted opens and writes files whose content becomes what root answers, writes or runs: caches, tables,
// configuration, images.
//
// [Open] and [ReadFile] are for what is only read: they take regular files only, never wait, and stop at a size.
// [OpenOwned] is for what is believed: besides, only root and the caller may be able to write the file, or to put
// another in its place; that is judged on open descriptors, element by element of its path. [Replace] and
// [ReplaceOwned] are the counterparts that write.
package trusted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Errors of opening, wrapped in an *fs.PathError.
var (
	// ErrNotRegular: it is a folder, a device, a FIFO or a socket.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge: it has more bytes than the limit.
	ErrTooLarge = errors.New("file too large")
	// ErrLink: the last element of a path must not be a link.
	ErrLink = errors.New("a symbolic link")
)

// UntrustedError says why a file is not believed.
type UntrustedError struct {
	// Path is the file or the folder of its path that others can change.
	Path string
	// Why says who can change it.
	Why string
}

// Error implements error.
func (e *UntrustedError) Error() string { return e.Path + ": " + e.Why }

// What an UntrustedError says.
const (
	whyOwner  = "belongs to another user"
	whyMode   = "others can write to it"
	whySticky = "others can put files and links into it"
)

// nowOpener is a file system that can open a file without waiting for who is at the other end of a FIFO.
type nowOpener interface {
	OpenNow(name string) (fs.File, error)
}

// Open opens a regular file of a file system, links followed. It does not wait, whatever is there.
func Open(fsys fs.FS, name string) (fs.File, error) {
	f, _, err := OpenInfo(fsys, name)
	return f, err
}

// OpenInfo is Open; info is what the open file says of itself.
func OpenInfo(fsys fs.FS, name string) (f fs.File, info fs.FileInfo, err error) {
	if now, ok := fsys.(nowOpener); ok {
		f, err = now.OpenNow(name)
	} else {
		if info, err := fs.Stat(fsys, name); err == nil && !info.Mode().IsRegular() {
			return nil, nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
		}
		f, err = fsys.Open(name)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, info, err := OpenInfo(fsys, name)
	if err != nil {
		return nil, err
	}
	return readAndClose(f, name, info, limit)
}

// readAndClose reads the whole of an open file, which errors call name.
func readAndClose(f fs.File, name string, info fs.FileInfo, limit int64) ([]byte, error) {
	defer f.Close()
	data, err := ReadOpen(f, info.Size(), limit)
	if err != nil {
		return nil, pathError(name, err)
	}
	return data, nil
}

// ReadOpen reads an open file of about that size, and at most limit bytes of it: more are ErrTooLarge.
func ReadOpen(f io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, ErrTooLarge
	}
	// A file in /proc says 0 and has more; one that claims much and has little costs no more than what it has. One
	// byte more is to meet the end without growing.
	const first = 4 << 20
	data := make([]byte, 0, min(max(size, 511), first)+1)
	for {
		n, err := f.Read(data[len(data):min(int64(cap(data)), limit+1)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

// ReadOwned reads a regular file of at most limit bytes if nobody but root and the caller can write it or put another
// one in its place; its last element must not be a link. The error is else an *UntrustedError. A file system that is
// not the operating system's has no owners, and is believed.
func ReadOwned(fsys fs.FS, name string, limit int64) ([]byte, error) {
	path, ok, err := hostPath(fsys, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return ReadFile(fsys, name, limit)
	}
	f, info, err := OpenOwned(path, false)
	if err != nil {
		return nil, err
	}
	return readAndClose(f, name, info, limit)
}

// MapOwned is ReadOwned for a file that is only ever replaced as a whole: it is mapped, for as long as the process
// lives, where the system can do that.
func MapOwned(fsys fs.FS, name string, limit int64) ([]byte, error) {
	path, ok, err := hostPath(fsys, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return ReadFile(fsys, name, limit)
	}
	f, info, err := OpenOwned(path, false)
	if err != nil {
		return nil, err
	}
	if data := Map(f, limit); data != nil {
		return data, f.Close()
	}
	return readAndClose(f, name, info, limit)
}

// Owned reports whether nobody but root and the caller can write the file of that name, or put another one in its
// place: nil, or else most likely an *UntrustedError. info is what the file said of itself when it was read; if the
// name leads to another file by now, that is an error as well. Links are followed, and it is judged who could have
// made them.
func Owned(fsys fs.FS, name string, info fs.FileInfo) error {
	path, ok, err := hostPath(fsys, name)
	if err != nil || !ok {
		return err
	}
	f, now, err := OpenOwned(path, true)
	if err != nil {
		return err
	}
	defer f.Close()
	if info == nil || !Same(info, now) {
		return &UntrustedError{Path: "/" + name, Why: "it was replaced while it was read"}
	}
	return nil
}

// pathError adds the name to an error, unless it has one.
func pathError(name string, err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return err
	}
	return &fs.PathError{Op: "read", Path: name, Err: err}
}

// A SyncError says that a file is in place, but may not be after a loss of power.
type SyncError struct {
	// Dir is the folder that could not be brought to the disk.
	Dir string
	// Err is why.
	Err error
}

// Error implements error.
func (e *SyncError) Error() string {
	return fmt.Sprintf("folder %s cannot be brought to the disk (%v): the new files are in place, "+
		"but after a loss of power the old ones may be back",
		e.Dir, e.Err)
}

// Unwrap returns e.Err.
func (e *SyncError) Unwrap() error { return e.Err }

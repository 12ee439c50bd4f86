package initramfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// Extract unpacks an image below a directory, as the kernel does: later entries replace earlier ones, and what lacks
// its directory is left out. Nothing outside the directory is touched, whatever names and links the image has. Device
// nodes, pipes and sockets are not made. Owners and times are those of the caller and of now. What was left out is
// passed to skipped, which may be nil.
func Extract(r io.Reader, root *os.Root, skipped func(f *File, err error)) error {
	if skipped == nil {
		skipped = func(*File, error) {}
	}
	in := NewReader(r)
	first := make(map[[2]uint32]string) // files with several names, by member and inode
	for {
		f, err := in.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		err = extract(in, root, f, first)
		var image *ImageError
		var full writeError
		if errors.As(err, &image) || errors.As(err, &full) {
			return err
		} else if err != nil {
			skipped(f, err)
		}
	}
}

// writeError is a failure to write content, which does not go away with the next entry.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// extract makes one entry.
func extract(in *Reader, root *os.Root, f *File, first map[[2]uint32]string) error {
	if f.Path == "." {
		return nil
	}
	name := f.Path
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: "extract", Path: name, Err: fs.ErrInvalid}
	}
	if info, err := root.Lstat(path.Dir(name)); err != nil {
		return err
	} else if info.Mode()&fs.ModeSymlink == 0 && !info.IsDir() {
		return &fs.PathError{Op: "extract", Path: name, Err: errNoDir}
	}
	if info, err := root.Lstat(name); err == nil {
		if info.IsDir() && f.Mode.IsDir() {
			return root.Chmod(name, f.Mode.Perm()|0o700)
		}
		if err := root.Remove(name); err != nil {
			return err
		}
	}
	switch f.Mode.Type() {
	case fs.ModeDir:
		return root.Mkdir(name, f.Mode.Perm()|0o700) // so that it can be filled
	case fs.ModeSymlink:
		return root.Symlink(f.Target, name)
	case 0:
		return extractFile(in, root, f, first)
	}
	return notMade(f.Mode)
}

// notMade is the error for a special file: errors.ErrUnsupported.
type notMade fs.FileMode

func (m notMade) Error() string        { return kindOf(fs.FileMode(m)) + "s are not made" }
func (m notMade) Is(target error) bool { return target == errors.ErrUnsupported }

var (
	errNoDir  = errors.New("its parent is not a directory")
	errNotDir = errors.New("not a directory")
	errIsDir  = errors.New("is a directory")
)

// kindOf names the type of a special file.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeDevice != 0:
		return "device node"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	}
	return "socket"
}

// extractFile makes a regular file. Of several names of one file only one has the content.
func extractFile(in *Reader, root *os.Root, f *File, first map[[2]uint32]string) error {
	if f.Links > 1 {
		key := [2]uint32{uint32(f.Member.Index), f.Ino}
		if other, ok := first[key]; ok {
			if err := root.Link(other, f.Path); err != nil {
				return err
			}
			if f.Size == 0 {
				return nil
			}
		} else {
			first[key] = f.Path
		}
	}
	out, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, f.Mode.Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	var image *ImageError
	if err != nil && !errors.As(err, &image) {
		return writeError{err}
	}
	return err
}

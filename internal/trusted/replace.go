package trusted

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Replace writes a file of the operating system beside its name and renames it when it is complete, so that there is
// always either the old one or the new one; with durable both the file and its name are on the disk afterwards. What
// a run that was killed has left beside it is removed.
//
// A link stays, what it leads to is replaced; but not one that a stranger has put into a folder like /tmp, which is an
// *UntrustedError. The new file keeps the permissions of the old one, unless that was a stranger's. What is no
// regular file, /dev/null or a pipe, is written to. Errors of write are returned as they are.
func Replace(name string, durable bool, write func(io.Writer) error) error {
	if old, err := os.Stat(name); err == nil && !old.Mode().IsRegular() {
		return writeTo(name, old, write)
	}
	name, err := finalName(name)
	if err != nil {
		return err
	}
	perm := fs.FileMode(0o666)
	old, err := os.Lstat(name)
	keep := err == nil && isOurs(old)
	if keep {
		perm = old.Mode().Perm()
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err.(*fs.PathError).Err}
	}
	defer dir.Close()
	return replaceIn(dir, filepath.Base(name), replacement{perm: perm, exact: keep, durable: durable, write: write})
}

// ReplaceOwned writes a file of the operating system, by its absolute path, that ReadOwned will believe. It makes the
// folders that are missing. If others than root and the caller could put another file in its place, it is not
// written, and the error is an *UntrustedError. A link of that name is replaced, and what it leads to stays as it is.
// If keep is not 0, the folder is a cache of no more than so many files: those that were written first are removed.
func ReplaceOwned(name string, data []byte, keep int) error {
	dir, base, err := ownedFolder(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := replaceIn(dir, base, replacement{perm: 0o644, exact: true, write: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}); err != nil || keep == 0 {
		return err
	}
	return prune(dir, base, keep)
}

// prune removes the oldest files of a folder that has more than keep, but not the one that was just written.
func prune(dir *os.File, written string, keep int) error {
	entries, err := os.ReadDir(dir.Name())
	if err != nil || len(entries) <= keep {
		return err
	}
	var old []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && e.Name() != written {
			old = append(old, info)
		}
	}
	slices.SortFunc(old, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range old[min(len(old), max(keep-1, 0)):] {
		os.Remove(filepath.Join(dir.Name(), info.Name())) // another process may have been faster
	}
	return nil
}

// replacement says how a file is written.
type replacement struct {
	perm    fs.FileMode
	exact   bool // whatever the umask says
	durable bool
	write   func(io.Writer) error
}

// fill writes the new file.
func (r *replacement) fill(f *os.File) error {
	if err := r.write(f); err != nil {
		return err
	}
	if r.exact {
		if err := f.Chmod(r.perm); err != nil {
			return err
		}
	}
	if r.durable {
		return f.Sync()
	}
	return nil
}

// finalName follows the links that a name consists of. What does not exist yet is a name.
func finalName(name string) (string, error) {
	for range 40 {
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil
		}
		if err := stranger(name, info); err != nil {
			return "", err
		}
		target, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			// Not filepath.Join, which would cut ".." out of the text before links are followed.
			target = filepath.Dir(name) + string(filepath.Separator) + target
		}
		name = target
	}
	return "", &fs.PathError{Op: "open", Path: name, Err: errors.New("too many levels of symbolic links")}
}

// stranger reports that a link, or what is no regular file, was put into a folder of many people by somebody else:
// neither the caller, nor root, nor whose folder it is.
func stranger(name string, info fs.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	if dir.Mode()&fs.ModeSticky == 0 || dir.Mode().Perm()&0o022 == 0 || isOurs(info) || sameOwner(info, dir) {
		return nil
	}
	return &UntrustedError{Path: name, Why: whyOwner}
}

// writeTo writes to what is there and is no regular file.
func writeTo(name string, old fs.FileInfo, write func(io.Writer) error) error {
	info, err := os.Lstat(name)
	if err == nil {
		err = stranger(name, info)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(now, old) {
		err = &UntrustedError{Path: name, Why: "it was replaced while it was opened"}
	}
	if err == nil {
		err = write(f)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// isLeftover reports whether a name is one that replaceIn gives to a file until it is complete.
func isLeftover(name, base string) bool {
	rest, ok := strings.CutPrefix(name, "."+base+".")
	pid, number, dash := strings.Cut(rest, "-")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && dash && digits(pid) && digits(number)
}

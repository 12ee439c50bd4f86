//go:build !linux

package trusted

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenOwned opens a regular file by its absolute path. Who can write it cannot be told here.
func OpenOwned(name string, follow bool) (*os.File, fs.FileInfo, error) {
	if info, err := os.Lstat(name); err == nil && !follow && info.Mode()&fs.ModeSymlink != 0 {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: ErrLink}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// replaceIn replaces a file of a folder.
func replaceIn(dir *os.File, base string, r replacement) (err error) {
	var f *os.File
	for i := 0; ; i++ {
		temp := filepath.Join(dir.Name(), fmt.Sprintf(".%s.%d-%d", base, os.Getpid(), i))
		f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, r.perm)
		if !errors.Is(err, fs.ErrExist) || i == 1000 {
			break
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	err = r.fill(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir.Name(), base))
}

// SyncFolder does nothing: not every system can.
func SyncFolder(*os.File) error { return nil }

// RemoveLeftover does nothing: there are no locks by which to know that it is one.
func RemoveLeftover(*os.File, string) {}

// ownedFolder opens the folder of a file, and makes it if need be.
func ownedFolder(name string) (dir *os.File, base string, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, "", err
	}
	dir, err = os.Open(filepath.Dir(name))
	return dir, filepath.Base(name), err
}

// isOurs and sameOwner cannot be told here.
func isOurs(fs.FileInfo) bool                 { return true }
func sameOwner(fs.FileInfo, fs.FileInfo) bool { return true }

func stampOf(fs.FileInfo) Stamp { return Stamp{} }

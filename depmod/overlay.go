package depmod

import (
	"errors"
	"io/fs"
	"slices"
	"sort"
)

// overlay is several file systems one on top of the other, the last on top.
type overlay []fs.FS

// Open opens the uppermost file of that name.
func (o overlay) Open(name string) (fs.File, error) {
	return first(o, func(fsys fs.FS) (fs.File, error) { return fsys.Open(name) })
}

// Stat describes the uppermost file of that name.
func (o overlay) Stat(name string) (fs.FileInfo, error) {
	return first(o, func(fsys fs.FS) (fs.FileInfo, error) { return fs.Stat(fsys, name) })
}

// ReadDir lists the entries that a folder has in any of the file systems, down to one in which it is not a folder.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	seen := make(map[string]bool)
	missing := error(&fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist})
	for _, fsys := range slices.Backward(o) {
		info, err := fs.Stat(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.IsDir() && missing == nil {
			break
		}
		entries, err := fs.ReadDir(fsys, name)
		if err != nil {
			return nil, err
		}
		missing = nil
		for _, e := range entries {
			if !seen[e.Name()] {
				seen[e.Name()] = true
				all = append(all, e)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name() < all[j].Name() })
	return all, missing
}

// first returns what the uppermost file system has that has it.
func first[T any](o overlay, get func(fs.FS) (T, error)) (v T, err error) {
	for _, fsys := range slices.Backward(o) {
		if v, err = get(fsys); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return v, err
}

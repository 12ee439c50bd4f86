//go:build !linux

package depmod

import "io/fs"

// files is where module files are opened and examined.
type files struct{ fs.FS }

// rawFile is memory for an open file, which only Linux needs.
type rawFile struct{}

// filesOf returns the files of fsys.
func filesOf(fsys fs.FS) files { return files{fsys} }

// open opens a file.
func (f files) open(name string, _ *rawFile) (fs.File, error) { return f.Open(name) }

// key returns what a file is known by; ok is false if it cannot be examined.
func (f files) key(name string) (k key, ok bool) {
	info, err := fs.Stat(f.FS, name)
	if err != nil {
		return key{}, false
	}
	return keyOf(info), true
}

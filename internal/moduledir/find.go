// Package moduledir is about the folder that holds a kernel's modules: where it is, which of several modules of one
// name counts in it, what is in it without tables, and whether its tables are usable.
package moduledir

import (
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Bases returns the folders, below a root, that hold one folder for each release. The first that has the release
// counts. Distributions have one of them or both, and some have one as a link to the other.
func Bases() []string { return []string{"lib/modules", "usr/lib/modules"} }

// Dir is the folder of a release.
type Dir struct {
	// Path is the folder as in messages: below base as that is spelled.
	Path string
	// Name is the folder as a name in the file system.
	Name string
	// Exists is set if the folder exists. If not, the Dir is the first place where it could be.
	Exists bool
}

// Find finds the folder of a release below base, which is "" or an absolute path.
func Find(fsys fs.FS, base, release string) (Dir, error) { return FindIn(fsys, base, Bases(), release) }

// FindIn is Find with other folders than those of Bases, paths below base.
func FindIn(fsys fs.FS, base string, bases []string, release string) (Dir, error) {
	var first Dir
	for i, below := range bases {
		path := base + "/" + strings.TrimLeft(below, "/") + "/" + release
		name, err := sysroot.Name(fsys, path)
		if err != nil {
			if i == 0 {
				return Dir{Path: path}, err
			}
			continue
		}
		if info, err := fs.Stat(fsys, name); err == nil && info.IsDir() {
			return Dir{path, name, true}, nil
		}
		if i == 0 {
			first = Dir{Path: path, Name: name}
		}
	}
	return first, nil
}

// Releases returns the releases that have a folder below base, in no order, each once, with the folders.
func Releases(fsys fs.FS, base string) (map[string]Dir, error) {
	found := make(map[string]Dir)
	for _, below := range Bases() {
		name, err := sysroot.Name(fsys, base+"/"+below)
		if err != nil {
			return nil, err
		}
		entries, err := fs.ReadDir(fsys, name)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if _, ok := found[e.Name()]; !ok {
				found[e.Name()] = Dir{base + "/" + below + "/" + e.Name(), name + "/" + e.Name(), true}
			}
		}
	}
	return found, nil
}

package modprobe

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// Releases lists the kernels whose modules are installed, in the order of their names.
func Releases(fsys fs.FS, dir string) ([]string, error) {
	dirs, err := moduledir.Releases(fsys, dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for release, d := range dirs {
		// A folder with neither is what a removed kernel has left.
		for _, sign := range [...]string{"/modules.dep", "/kernel"} {
			if _, err := fs.Stat(fsys, d.Name+sign); err == nil {
				found = append(found, release)
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s/lib/modules: %w", dir, ErrNoTables)
	}
	slices.Sort(found)
	return found, nil
}

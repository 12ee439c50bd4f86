package modprobe

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Releases lists the kernels whose modules are installed, in the order of their names.
func Releases(fsys fs.FS, dir string) ([]string, error) {
	var found []string
	for _, base := range []string{dir + "/lib/modules", dir + "/usr/lib/modules"} {
		name, err := sysroot.Name(fsys, base)
		if err != nil {
			return nil, err
		}
		entries, err := fs.ReadDir(fsys, name)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if slices.Contains(found, e.Name()) {
				continue
			}
			for _, sign := range [...]string{"/modules.dep", "/kernel"} { // without either it is what a removed kernel has left
				if _, err := fs.Stat(fsys, name+"/"+e.Name()+sign); err == nil {
					found = append(found, e.Name())
					break
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s/lib/modules: %w", dir, ErrNoTables)
	}
	slices.Sort(found)
	return found, nil
}

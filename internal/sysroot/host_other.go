//go:build !linux

package sysroot

import (
	"io/fs"
	"os"
)

// Host returns the files below a directory of this machine.
func Host(dir string) fs.FS { return os.DirFS(dir) }

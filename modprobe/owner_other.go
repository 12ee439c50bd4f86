//go:build !unix

package modprobe

import "io/fs"

// trusted reports whether only its owner can write a file, which cannot be told here.
func trusted(fs.FileInfo) bool { return true }

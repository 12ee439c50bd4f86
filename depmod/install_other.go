//go:build !linux

package depmod

import (
	"io/fs"
	"os"
)

// tryLock does nothing: depmod is for Linux, and builds elsewhere for the sake of those who make images there.
func tryLock(string) (*os.File, lockHolder, error) { return nil, lockHolder{}, fs.ErrInvalid }

// onlyOurs cannot be told here.
func onlyOurs(fs.FileInfo) bool { return true }

package depmod

import (
	"errors"
	"os"
	"syscall"
)

// lockFile waits until no other process has the lock of a folder, and takes it. It is given back when the file is closed.
// A file system without locks has none to wait for.
func lockFile(f *os.File) {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return
		}
	}
}

// syncUnsupported reports whether an error of Sync says that the file system does not do that for folders.
func syncUnsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

package trusted

import (
	"os"
	"syscall"
)

// Map maps a whole regular file of at most limit bytes into memory, to be read only. It returns nil if that cannot be
// done; Unmap gives the memory back. Whoever replaces such a file must do so by renaming: to cut a mapped file short
// kills its readers.
func Map(f *os.File, limit int64) []byte {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > limit {
		return nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return data
}

// Unmap gives back what Map returned.
func Unmap(data []byte) error { return syscall.Munmap(data) }

package index

import (
	"os"
	"syscall"
)

// MapFile maps a whole regular file into memory, to be read only. It returns nil if that cannot be done. It is exported for other
// large files that are read in place; Unmap gives the memory back.
func MapFile(f *os.File) []byte {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > offsetMask+1 {
		return nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return data
}

// Unmap gives back what MapFile returned.
func Unmap(data []byte) error { return syscall.Munmap(data) }

package index

import (
	"os"
	"syscall"
)

// mapFile maps a whole regular file into memory, to be read only. It returns nil if that cannot be done; unmap gives
// the memory back.
func mapFile(f *os.File) []byte {
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

// unmap gives back what mapFile returned.
func unmap(data []byte) error { return syscall.Munmap(data) }

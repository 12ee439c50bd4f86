package depmod

import (
	"io/fs"
	"syscall"
)

// keyOf returns what a file is known by; only the size if the file system does not say all of it.
func keyOf(info fs.FileInfo) key {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return statKey(st)
	}
	return key{size: info.Size()}
}

func statKey(st *syscall.Stat_t) key {
	return key{size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: st.Ino, device: uint64(st.Dev)}
}

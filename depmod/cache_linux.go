package depmod

import (
	"io/fs"
	"syscall"
)

// keyOf returns what a file is known by, or the zero key if the file system does not say all of it.
func keyOf(info fs.FileInfo) key {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return key{}
	}
	return key{
		size:   info.Size(),
		mtime:  info.ModTime().UnixNano(),
		ctime:  st.Ctim.Nano(),
		inode:  st.Ino,
		device: uint64(st.Dev),
	}
}

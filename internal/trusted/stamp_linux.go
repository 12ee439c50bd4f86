package trusted

import (
	"io/fs"
	"syscall"
)

func stampOf(info fs.FileInfo) Stamp {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return Stamp{Size: st.Size, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}
	}
	return Stamp{}
}

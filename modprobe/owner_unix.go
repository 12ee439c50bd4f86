//go:build unix

package modprobe

import (
	"io/fs"
	"os"
	"syscall"
)

// trusted reports whether only root, or who runs this process, can write a file. A file that does not come from the
// operating system has no owner, and is trusted.
func trusted(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	const group, others = 0o020, 0o002
	mode := info.Mode().Perm()
	if mode&group != 0 && st.Gid != 0 && int(st.Gid) != os.Getegid() {
		return false
	}
	return (st.Uid == 0 || int(st.Uid) == os.Geteuid()) && mode&others == 0
}

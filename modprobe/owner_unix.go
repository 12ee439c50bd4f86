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
	const others = 0o002
	return (st.Uid == 0 || int(st.Uid) == os.Geteuid()) && info.Mode().Perm()&others == 0
}

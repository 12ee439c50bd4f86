package depmod

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// tryLock takes the lock in a file, which it makes. Without an error, f is nil if another process has it, and held is
// its lock. The lock is given back when the file is removed and closed.
func tryLock(name string) (f *os.File, held lockHolder, err error) {
	for {
		f, err := os.OpenFile(name, os.O_RDONLY|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, held, err
		}
		err = retry(func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) })
		if err == syscall.EWOULDBLOCK {
			held.file, _ = f.Stat()
			held.process = func() int { return holder(held.file) }
			f.Close()
			return nil, held, nil
		}
		if err != nil {
			f.Close()
			return nil, held, err
		}
		// Who had it before has removed the file: it is a lock only while it has its name.
		now, err := os.Lstat(name)
		info, err2 := f.Stat()
		if err == nil && err2 == nil && os.SameFile(now, info) {
			return f, held, nil
		}
		f.Close()
	}
}

// holder returns the number of the process that has the lock of a file, or 0 if that is not told.
func holder(info fs.FileInfo) int {
	if info == nil {
		return 0
	}
	locks, _ := os.ReadFile("/proc/locks")
	inode := ":" + strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
		if word := strings.Fields(line); len(word) > 5 && word[1] == "FLOCK" &&
			strings.HasSuffix(word[5], inode) {
			process, _ := strconv.Atoi(word[4])
			return process
		}
	}
	return 0
}

// onlyOurs reports whether a file is the caller's, and has one name only: another owner can write to it whatever it
// holds now.
func onlyOurs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && st.Nlink == 1
}

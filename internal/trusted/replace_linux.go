package trusted

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// replaceIn replaces a file of a folder.
func replaceIn(dir *os.File, base string, r replacement) (err error) {
	cleanUp(dir, base)
	f, temp, err := create(dir, base, r.perm)
	if err != nil {
		return &fs.PathError{Op: "create", Path: filepath.Join(dir.Name(), base), Err: err}
	}
	defer func() {
		f.Close() // and with it the lock by which cleanUp knows that somebody is at work
		if err != nil && temp != "" {
			unix.Unlinkat(int(dir.Fd()), temp, 0)
		}
	}()
	if err := r.fill(f); err != nil {
		return err
	}
	if temp == "" {
		if temp, err = link(dir, base, f); err != nil {
			return &fs.PathError{Op: "link", Path: filepath.Join(dir.Name(), base), Err: err}
		}
	}
	if temp != base {
		if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), base); err != nil {
			return &fs.PathError{Op: "rename", Path: filepath.Join(dir.Name(), base), Err: err}
		}
	}
	temp = ""
	if r.durable {
		return SyncFolder(dir)
	}
	return nil
}

// SyncFolder brings the names in a folder to the disk. Not every file system knows how, and then there is nothing to
// wait for. The error is a *SyncError.
func SyncFolder(dir *os.File) error {
	err := dir.Sync()
	if err == nil || errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return &SyncError{Dir: dir.Name(), Err: err}
}

// tempName is the name of a file until it is complete.
func tempName(base string, i int) string { return fmt.Sprintf(".%s.%d-%d", base, os.Getpid(), i) }

// create creates a file, locked. It has no name, so that nothing is left of it if this program is killed; where the
// file system or the machine cannot do that, it is temp.
func create(dir *os.File, base string, perm fs.FileMode) (f *os.File, temp string, err error) {
	at := int(dir.Fd())
	fd, err := openAt(at, ".", unix.O_TMPFILE|unix.O_WRONLY, uint32(perm))
	if err == nil {
		if unix.Access(byDescriptor(fd), unix.F_OK) == nil {
			unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
			return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), base)), "", nil
		}
		unix.Close(fd)
	}
	for i := 0; ; i++ {
		temp = tempName(base, i)
		fd, err := openAt(at, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(perm))
		if err != nil {
			if err == unix.EEXIST && i < 1000 {
				continue
			}
			return nil, "", err
		}
		unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Nlink > 0 {
			return os.NewFile(uintptr(fd), filepath.Join(dir.Name(), temp)), temp, nil
		}
		unix.Close(fd) // another run took it for a leftover before it was locked
		if i == 1000 {
			return nil, "", unix.EEXIST
		}
	}
}

// byDescriptor is a name of an open file that has no other.
func byDescriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// link gives a file without a name the final one, if that is free, or another one to be renamed.
func link(dir *os.File, base string, f *os.File) (name string, err error) {
	for i, name := -1, base; ; name = tempName(base, i) {
		err := unix.Linkat(unix.AT_FDCWD, byDescriptor(int(f.Fd())), int(dir.Fd()), name,
			unix.AT_SYMLINK_FOLLOW)
		if i++; err != unix.EEXIST || i > 1000 {
			return name, err
		}
	}
}

// cleanUp removes what runs that were killed have left of a file: those that nobody has locked. What cannot be
// removed does no harm.
func cleanUp(dir *os.File, base string) {
	list, err := os.Open(filepath.Join("/proc/self/fd", fmt.Sprint(dir.Fd())))
	if err != nil {
		if list, err = os.Open(dir.Name()); err != nil {
			return
		}
	}
	defer list.Close()
	names, _ := list.Readdirnames(-1)
	for _, name := range names {
		if isLeftover(name, base) {
			RemoveLeftover(dir, name)
		}
	}
}

// RemoveLeftover removes a file of a folder that this user has begun and nobody has locked any more.
func RemoveLeftover(dir *os.File, name string) {
	fd, err := openAt(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() {
		return
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		unix.Unlinkat(int(dir.Fd()), name, 0)
	}
}

// ownedFolder opens the folder of a file, and makes it if need be, if only root and the caller can put something into
// it.
func ownedFolder(name string) (dir *os.File, base string, err error) {
	w, err := begin()
	defer w.close()
	if err != nil {
		return nil, "", err
	}
	if base, err = w.to(name, false, true); err != nil {
		return nil, "", err
	}
	if base == "" {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	fd, err := openAt(w.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: w.where, Err: err}
	}
	return os.NewFile(uintptr(fd), w.where), base, nil
}

// isOurs reports whether root or the caller owns a file.
func isOurs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || ours(st.Uid)
}

// sameOwner reports whether one user owns two files.
func sameOwner(a, b fs.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, also := b.Sys().(*syscall.Stat_t)
	return ok && also && x.Uid == y.Uid
}

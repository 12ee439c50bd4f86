package trusted

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links a path may go through; the kernel's limit.
const maxLinks = 40

// walk goes along a path, one element at a time, and holds the folder that it is in.
type walk struct {
	fd    int // the folder, open with O_PATH
	stat  unix.Stat_t
	where string // its path, for errors
	links int
}

// begin is a walk that stands in the root folder.
func begin() (*walk, error) {
	w := &walk{fd: -1}
	return w, w.enter(unix.AT_FDCWD, "/", "/")
}

func (w *walk) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// enter goes into a folder, if only root and the caller can take out of it what is theirs.
func (w *walk) enter(at int, name, where string) error {
	fd, err := openAt(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: where, Err: err}
	}
	w.close()
	w.fd, w.where = fd, where
	if err := unix.Fstat(fd, &w.stat); err != nil {
		return &fs.PathError{Op: "stat", Path: where, Err: err}
	}
	if w.stat.Mode&unix.S_ISVTX != 0 && ours(w.stat.Uid) {
		return nil // what stands in it is judged by itself, and only its owner can rename it
	}
	return judge(&w.stat, where)
}

// strict reports who else could have put a file or a link into the folder.
func (w *walk) strict() error {
	if judge(&w.stat, w.where) != nil {
		return &UntrustedError{w.where, whySticky}
	}
	return nil
}

// to goes along a path up to its last element, which it returns; it is empty if the path ends in a folder that it
// names by "..". With follow that is no link. With makes, folders that are missing are made.
func (w *walk) to(name string, follow, makes bool) (last string, err error) {
	for todo := elements(name); len(todo) > 0; {
		element := todo[0]
		todo = todo[1:]
		if element != ".." {
			if len(todo) == 0 && !follow {
				return element, w.strict()
			}
			target, owner, err := w.link(element)
			if err == nil {
				if err := w.through(target, owner); err != nil {
					return "", err
				}
				todo = append(elements(target), todo...)
				continue
			}
			if len(todo) == 0 {
				return element, w.strict()
			}
			if makes {
				unix.Mkdirat(w.fd, element, 0o755) // if it fails, entering says why
			}
		}
		if err := w.enter(w.fd, element, path.Join(w.where, element)); err != nil {
			return "", err
		}
	}
	return "", nil
}

// elements cuts a path up, without those that lead nowhere.
func elements(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(e string) bool { return e == "" || e == "." })
}

// through prepares for going where a link of that owner leads.
func (w *walk) through(target string, owner uint32) error {
	if w.links++; w.links > maxLinks {
		return &fs.PathError{Op: "open", Path: w.where, Err: unix.ELOOP}
	}
	if err := w.strict(); err != nil && !ours(owner) {
		return err
	}
	if strings.HasPrefix(target, "/") {
		return w.enter(unix.AT_FDCWD, "/", "/")
	}
	return nil
}

// link returns where a link leads, and whose it is; an error if it is none.
func (w *walk) link(name string) (target string, owner uint32, err error) {
	fd, err := openAt(w.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", 0, unix.EINVAL
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", 0, err
	}
	return string(buf[:n]), st.Uid, nil
}

// OpenOwned opens a regular file of the operating system by its absolute path, if nobody but root and the caller can
// write it or put another one in its place, which is else an *UntrustedError. A link as the last element is followed
// only with follow.
func OpenOwned(name string, follow bool) (*os.File, fs.FileInfo, error) {
	w, err := begin()
	defer w.close()
	if err != nil {
		return nil, nil, err
	}
	last, err := w.to(name, follow, false)
	if err != nil {
		return nil, nil, err
	}
	if last == "" {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	fd, err := openAt(w.fd, last, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		if err == unix.ELOOP {
			err = ErrLink
		}
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0) // or the runtime would ask its poller about the file
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil {
		err = judge(&st, path.Join(w.where, last))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// judge reports who else can write to a file or folder.
func judge(st *unix.Stat_t, where string) error {
	const group, others = 0o020, 0o002
	switch {
	case !ours(st.Uid):
		return &UntrustedError{where, whyOwner}
	case st.Mode&others != 0, st.Mode&group != 0 && st.Gid != 0 && int(st.Gid) != os.Getegid():
		return &UntrustedError{where, whyMode}
	}
	return nil
}

// ours reports whether an owner is root or the caller.
func ours(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// openAt opens a file; with the descriptor closed in programs that are started.
func openAt(at int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(at, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

package sysroot

import (
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host returns the files below a directory of this machine: those of os.DirFS(dir), with two differences. A name may
// have any bytes, as file names on Linux do, and not only UTF-8. And files, which are *os.File, are not registered
// with the runtime's poller, which would take more system calls than to read them.
func Host(dir string) fs.FS { return host(strings.TrimRight(dir, "/") + "/") }

// host is a directory, with a slash at the end.
type host string

// HostDir returns the directory.
func (h host) HostDir() string { return string(h) }

// Open opens a file for reading.
func (h host) Open(name string) (fs.File, error) { return h.open(name, 0) }

// OpenNow opens a file for reading, and a FIFO without waiting for a writer. Reading from a FIFO waits all the same.
func (h host) OpenNow(name string) (fs.File, error) {
	return h.open(name, syscall.O_NONBLOCK|syscall.O_NOCTTY)
}

// open opens a file with more flags of open(2).
func (h host) open(name string, flags int) (fs.File, error) {
	path, err := h.path("open", name)
	if err != nil {
		return nil, err
	}
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|flags, 0)
		if err == nil {
			if flags != 0 {
				// os.NewFile would register a descriptor with O_NONBLOCK with the poller.
				unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
			}
			return os.NewFile(uintptr(fd), path), nil
		}
		if err != syscall.EINTR {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// OpenInside opens a file for reading, with links and ".." kept inside the directory by the kernel: nobody who
// exchanges folders for links meanwhile has another file opened. now is as in OpenNow. ok is false if the kernel
// cannot do that: it is older than 5.6, or a filter keeps the call from it.
func (h host) OpenInside(name string, now bool) (f fs.File, ok bool, err error) {
	dir, err := unix.Open(string(h), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, nil
	}
	defer unix.Close(dir)
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	if now {
		how.Flags |= unix.O_NONBLOCK | unix.O_NOCTTY
	}
	// EAGAIN: something was renamed on the way of a "..".
	fd, err := unix.Openat2(dir, name, &how)
	for tries := 0; err == unix.EINTR || err == unix.EAGAIN && tries < 100; tries++ {
		fd, err = unix.Openat2(dir, name, &how)
	}
	switch err {
	case nil:
		if now {
			unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
		}
		return os.NewFile(uintptr(fd), string(h)+name), true, nil
	case unix.ENOSYS, unix.EPERM, unix.E2BIG:
		return nil, false, nil
	}
	return nil, true, &fs.PathError{Op: "open", Path: name, Err: err}
}

// Stat describes the file a name leads to.
func (h host) Stat(name string) (fs.FileInfo, error) { return h.describe("stat", name, os.Stat) }

// Lstat describes a file or link.
func (h host) Lstat(name string) (fs.FileInfo, error) { return h.describe("lstat", name, os.Lstat) }

// ReadDir lists a directory.
func (h host) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(os.DirFS(string(h)), name)
}

// ReadLink returns where a link points.
func (h host) ReadLink(name string) (string, error) { return fs.ReadLink(os.DirFS(string(h)), name) }

// describe describes a file; errors have its name in the file system.
func (h host) describe(op, name string, stat func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	path, err := h.path(op, name)
	if err != nil {
		return nil, err
	}
	info, err := stat(path)
	if e, ok := err.(*fs.PathError); ok {
		e.Path = name
	}
	return info, err
}

// path returns the path of a name, which must be valid apart from its bytes.
func (h host) path(op, name string) (string, error) {
	if !valid(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return string(h) + name, nil
}

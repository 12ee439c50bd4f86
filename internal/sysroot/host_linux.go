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

package depmod

import (
	"io"
	"io/fs"
	"os"
	"reflect"
	"syscall"
	"time"
)

// files is where module files are opened and examined. For those of the operating system it makes no os.File, which
// would try in vain to have the kernel say when there is something to read: six system calls for each module, as many
// as reading it takes.
type files struct {
	fs.FS
	root string // the folder that FS is, if it is one of the operating system
}

// filesOf returns the files of fsys.
func filesOf(fsys fs.FS) files {
	f := files{FS: fsys}
	if v := reflect.ValueOf(fsys); v.Type() == reflect.TypeOf(os.DirFS("")) {
		f.root = v.String()
	}
	return f
}

// direct reports whether a file of that name is one of the operating system.
func (f files) direct(name string) bool { return f.root != "" && fs.ValidPath(name) }

// open opens a file; with raw's memory if it can, so that it has to be closed before raw is used again.
func (f files) open(name string, raw *rawFile) (fs.File, error) {
	if !f.direct(name) {
		return f.Open(name)
	}
	*raw = rawFile{}
	err := retry(func() (err error) {
		const flags = syscall.O_RDONLY | syscall.O_CLOEXEC | syscall.O_NONBLOCK // a FIFO has nobody wait
		raw.fd, err = syscall.Open(f.root+"/"+name, flags, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if err := retry(func() error { return syscall.Fstat(raw.fd, &raw.stat) }); err != nil {
		raw.Close()
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return raw, nil
}

// key returns what a file is known by; ok is false if it cannot be examined.
func (f files) key(name string) (k key, ok bool) {
	if !f.direct(name) {
		info, err := fs.Stat(f.FS, name)
		if err != nil {
			return key{}, false
		}
		return keyOf(info), true
	}
	var st syscall.Stat_t
	err := retry(func() error { return syscall.Stat(f.root+"/"+name, &st) })
	return statKey(&st), err == nil
}

// retry calls do again when a signal has interrupted it.
func retry(do func() error) error {
	for {
		if err := do(); err != syscall.EINTR {
			return err
		}
	}
}

// rawFile is an open file, and its own fs.FileInfo, which has no name.
type rawFile struct {
	fd   int
	off  int64
	stat syscall.Stat_t
}

// ReadAt implements io.ReaderAt.
func (f *rawFile) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := syscall.Pread(f.fd, b[n:], off+int64(n))
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// Read implements fs.File.
func (f *rawFile) Read(b []byte) (n int, err error) {
	n, err = f.ReadAt(b, f.off)
	f.off += int64(n)
	return n, err
}

// Close implements fs.File.
func (f *rawFile) Close() error { return syscall.Close(f.fd) }

// Stat implements fs.File.
func (f *rawFile) Stat() (fs.FileInfo, error) { return f, nil }

// Name implements fs.FileInfo.
func (f *rawFile) Name() string { return "" }

// Size implements fs.FileInfo.
func (f *rawFile) Size() int64 { return f.stat.Size }

// Mode implements fs.FileInfo.
func (f *rawFile) Mode() fs.FileMode {
	mode := fs.FileMode(f.stat.Mode & 0o777)
	switch f.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
	case syscall.S_IFDIR:
		mode |= fs.ModeDir
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}

// ModTime implements fs.FileInfo.
func (f *rawFile) ModTime() time.Time { return time.Unix(f.stat.Mtim.Unix()) }

// IsDir implements fs.FileInfo.
func (f *rawFile) IsDir() bool { return f.Mode().IsDir() }

// Sys implements fs.FileInfo.
func (f *rawFile) Sys() any { return &f.stat }

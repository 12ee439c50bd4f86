package compress

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"
)

// buffers holds the compressed bytes of files being expanded, for reuse.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// ReadFile reads the whole file and expands it. The contents are written over
// dst, which grows as needed and may be nil, so that one buffer can serve many
// files; limit is as for [Expand] and also bounds the file itself. The format
// is returned with an error as well, once it is known.
func ReadFile(fsys fs.FS, name string, dst []byte, limit int64) (image []byte, format Format, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, None, err
	}
	defer f.Close()
	image, format, err = Read(f, dst, limit)
	if err != nil {
		return nil, format, named(name, err)
	}
	return image, format, nil
}

// named adds the name of the file to an error that has none.
func named(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return err
	}
	return &fs.PathError{Op: "read", Path: name, Err: err}
}

// Read is [ReadFile] for a file that has been opened; it reads from the current
// offset, and does not close it. Errors do not name the file.
func Read(f fs.File, dst []byte, limit int64) (image []byte, format Format, err error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, math.MaxInt-slack)
	size := sizeOf(f)
	if size > limit {
		return nil, None, ErrTooLarge
	}
	var head [6]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, None, err
	}
	format = Detect(head[:n])
	if format == None {
		// One byte more than the size, to meet the end of the file without
		// growing.
		dst = append(grow(dst[:0], int(size)+1), head[:n]...)
		if image, err = readAll(dst, f, limit); err != nil {
			image = nil
		}
		return image, None, err
	}
	p := buffers.Get().(*[]byte)
	defer buffers.Put(p)
	src := append(grow((*p)[:0], int(size)+1), head[:n]...)
	src, err = readAll(src, f, limit)
	if err != nil {
		return nil, format, err
	}
	*p = src
	image, err = Expand(dst, src, limit)
	return image, format, err
}

// ReadRaw returns what a file has from the current offset on, compressed or not: at most limit bytes, [DefaultLimit]
// if that is 0. Errors do not name the file.
func ReadRaw(f fs.File, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	size := sizeOf(f)
	if size > limit {
		return nil, ErrTooLarge
	}
	data, err := readAll(make([]byte, 0, size+1), f, limit) // one byte more to meet the end
	if err != nil {
		return nil, err
	}
	return data, nil
}

// sizeOf is the size of a regular file, 0 if it is not known.
func sizeOf(f fs.File) int64 {
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		return fi.Size()
	}
	return 0
}

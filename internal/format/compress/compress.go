// Package compress expands the files kernel modules come in: plain, gzip, xz
// or zstd.
//
// The format is told from the first bytes, never from the name. Every
// expansion has a limit, and no size a file claims is allocated before data
// has been seen to back it; dictionaries and windows have at most 128 MiB.
//
// Decoders and encoders are those of the standard library, of
// klauspost/compress and of ulikunitz/xz, except for xz files that are in
// memory: see internal/format/xz. Here is what the libraries lack: limits, and
// the end of a stream that something else follows.
package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"github.com/gomodprobe/gomodprobe/internal/format/xz"
)

// A Format is a way of compressing a module file.
type Format int

// The formats the kernel's own decompressor knows, and None for a file that is
// in none of them.
const (
	None Format = iota
	Gzip
	Xz
	Zstd
)

// DefaultLimit is the size in bytes an expanded file may have when the caller
// names no limit.
const DefaultLimit = 512 << 20

// ErrTooLarge reports that a file is, or expands to, more than the limit.
var ErrTooLarge = xz.ErrTooLarge

var (
	errTruncated = errors.New("unexpected end of data")
	errCorrupt   = errors.New("data is corrupt")
)

// String returns the name the kernel uses in /sys/module/compression: "gzip",
// "xz" or "zstd"; "none" for None.
func (f Format) String() string {
	switch f {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Xz:
		return "xz"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// Detect tells the format from the first bytes of a file; six are enough, and
// with fewer the answer may be None.
func Detect(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return Zstd
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return Xz
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return Gzip
	}
	return None
}

// An Error is a compressed file that could not be expanded. Err is
// [ErrTooLarge], [errors.ErrUnsupported] for what the decoder cannot do, or
// what it found wrong.
type Error struct {
	Format Format // the format of the file
	Off    int64  // how far into the compressed file the decoder had read
	Err    error  // the cause
}

// Error returns the format, the offset and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: offset %d: %v", e.Format, e.Off, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Expand returns the contents of the file src. A file that is not compressed
// is returned as it is, without a copy. Else the contents are written over
// dst, which grows as needed and may be nil; dst must not overlap src. More
// than limit bytes are an error; a limit of 0 or less means [DefaultLimit].
// Errors are of type *[Error].
func Expand(dst, src []byte, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, math.MaxInt-slack)
	if dst == nil && Detect(src) != None {
		return shared.expandKept(src, limit)
	}
	return expand(dst, src, limit)
}

// expand is Expand with a limit that is set; dst grows as needed.
func expand(dst, src []byte, limit int64) ([]byte, error) {
	f := Detect(src)
	var out []byte
	var off int64
	var err error
	switch f {
	case None:
		if int64(len(src)) > limit {
			return nil, &Error{None, limit, ErrTooLarge}
		}
		return src, nil
	case Gzip:
		out, off, err = expandGzip(dst[:0], src, limit)
	case Xz:
		out, off, err = expandXz(dst[:0], src, limit)
	case Zstd:
		out, off, err = expandZstd(dst[:0], src, limit)
	}
	if err != nil {
		return nil, &Error{f, off, cause(err)}
	}
	return out, nil
}

// cause translates errors of the libraries that are ours in other words.
func cause(err error) error {
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return errTruncated
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return errWindow
	}
	return err
}

// slack is kept free behind a limit so that limit+slack cannot overflow.
const slack = 1 << 10

// backed is how many bytes may be allocated because a compressed file of n
// bytes claims to hold claim bytes: the claim, unless it is far beyond what
// modules compress to. Behind it a buffer grows only as data arrives.
func backed(claim uint64, n int, limit int64) int {
	most := min(64*int64(n)+1<<16, limit)
	if claim < uint64(most) {
		return int(claim)
	}
	return int(most)
}

// grow returns b with room for n more bytes, unless b already has it.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	c := make([]byte, len(b), len(b)+n)
	copy(c, b)
	return c
}

// readAll appends what r yields to dst, at most limit bytes in all. With an error it returns what it has read until
// then.
func readAll(dst []byte, r io.Reader, limit int64) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			n := min(int64(max(len(dst), 1<<16)), limit+1-int64(len(dst)))
			dst = grow(dst, int(n))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if int64(len(dst)) > limit {
			return dst, ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

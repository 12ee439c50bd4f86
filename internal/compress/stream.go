package compress

import (
	"errors"
	"io"
)

// NewReader expands the first stream that src begins with and ignores what
// follows it: boot images carry compressed kernels with other data behind.
// Reading is not limited. A src in no known format is an error.
func NewReader(src []byte) (io.Reader, error) {
	switch Detect(src) {
	case Gzip:
		return streamGzip(src)
	case Xz:
		return streamXz(src)
	case Zstd:
		return streamZstd(src)
	}
	return nil, &Error{None, 0, errors.New("not compressed in a known format")}
}

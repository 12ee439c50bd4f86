//go:build kmod_nogzip

package compress

import (
	"errors"
	"io"
)

// expandGzip stands in for the decoder that this build leaves out.
func expandGzip(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// streamGzip stands in likewise.
func streamGzip([]byte) (io.Reader, error) {
	return nil, &Error{Gzip, 0, errors.ErrUnsupported}
}

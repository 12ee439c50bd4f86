//go:build kmod_nozstd

package compress

import (
	"errors"
	"io"
)

// expandZstd stands in for the decoder that this build leaves out.
func expandZstd(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// streamZstd stands in likewise.
func streamZstd([]byte) (io.Reader, error) {
	return nil, &Error{Zstd, 0, errors.ErrUnsupported}
}

//go:build kmod_noxz

package compress

import (
	"errors"
	"io"
)

// expandXz stands in for the decoder that this build leaves out.
func expandXz(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// streamXz stands in likewise.
func streamXz([]byte) (io.Reader, error) {
	return nil, &Error{Xz, 0, errors.ErrUnsupported}
}

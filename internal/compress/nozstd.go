//go:build kmod_nozstd

package compress

import "errors"

// expandZstd stands in for the decoder that this build leaves out.
func expandZstd(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// firstZstd stands in likewise.
func firstZstd([]byte, int, int64) ([]byte, int64, error) { return nil, 0, errors.ErrUnsupported }

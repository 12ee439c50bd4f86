//go:build kmod_nogzip

package compress

import "errors"

// expandGzip stands in for the decoder that this build leaves out.
func expandGzip(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// firstGzip stands in likewise.
func firstGzip([]byte, int, int64) ([]byte, int64, error) { return nil, 0, errors.ErrUnsupported }

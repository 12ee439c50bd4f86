//go:build kmod_noxz

package compress

import "errors"

// FirstLZMA would expand an .lzma file; this build leaves that out together with xz.
func FirstLZMA(src []byte, hint int, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

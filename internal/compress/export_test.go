//go:build !kmod_nozstd

package compress

import "io"

// NewSmallZstdWriter is NewZstdWriter with segments that are small enough for a test to have many of them.
func NewSmallZstdWriter(w io.Writer) io.WriteCloser { return newZstdWriter(w, 1000, 300) }

// ExpandFrames is Expand of zstd by our own decoder, on all processors.
func ExpandFrames(dst, src []byte, limit int64) ([]byte, error) {
	out, _, err := expandFrames(dst[:0], src, limit)
	return out, err
}

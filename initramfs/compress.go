package initramfs

import (
	"compress/gzip"
	"fmt"
	"io"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
)

// compressor returns a writer that compresses to w. Its output does not depend on the number of processors, and
// the kernel can read it: it allows zstd windows of up to 128 MiB.
func compressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriter(w), nil // its best level takes fifteen times as long for half a percent less
	case Zstd:
		return compress.NewZstdWriter(w)
	case Xz:
		return compress.NewXzWriter(w)
	}
	return nil, fmt.Errorf("unknown compression %q; there are gzip, xz and zstd", c)
}

//go:build !kmod_nozstd

package compress

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window accepted: that of zstd's highest level, and
// of its command without further options.
const maxWindow = 128 << 20

// zstds holds idle decoders.
var zstds sync.Pool

// expandZstd decodes all frames of a zstd file. One frame that tells a
// believable size, which is what module files are, is decoded in one go;
// anything else is streamed.
func expandZstd(dst, src []byte, limit int64) ([]byte, int64, error) {
	n := 0
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS && !h.Skippable {
		if n = backed(h.FrameContentSize, len(src), limit); uint64(n) != h.FrameContentSize {
			n = 0
		}
	}
	return decodeZstd(dst, src, n, limit, h.FrameContentSize)
}

// decodeZstd decodes all frames of src, at first in one go if size, how much they may give, is not 0. claim is what the first
// says that it gives, 0 if nothing.
func decodeZstd(dst, src []byte, size int, limit int64, claim uint64) ([]byte, int64, error) {
	z, _ := zstds.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, 0, err
		}
	}
	defer func() {
		z.Reset(nil)
		zstds.Put(z)
	}()
	if size > 0 {
		// The library wants some room behind the data to copy in steps.
		dst = grow(dst, size+64)
		prefault(dst[:cap(dst)])
		out, err := z.DecodeAll(src, dst)
		if err == nil && int64(len(out)) > limit {
			err = ErrTooLarge
		}
		if err == nil {
			return out, int64(len(src)), nil
		}
		if uint64(size) == claim && !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return nil, int64(len(out)), err
		}
	}
	in := bytes.NewReader(src)
	if err := z.Reset(in); err != nil {
		return nil, int64(len(src) - in.Len()), err
	}
	out, err := readAll(dst[:0], z, limit)
	if err == nil && len(out) == 0 && claim != 0 {
		err = io.ErrUnexpectedEOF
	}
	return out, int64(len(src) - in.Len()), err
}

// firstZstd decodes the frame at the start of src.
func firstZstd(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	n, err := zstdFrameSize(src)
	if err != nil {
		return nil, 0, err
	}
	out, _, err = decodeZstd(nil, src[:n], hint, limit, 0)
	return out, n + int64(len(out)), err
}

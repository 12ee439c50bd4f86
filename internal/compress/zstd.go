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
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS && !h.Skippable {
		if n := backed(h.FrameContentSize, len(src), limit); uint64(n) == h.FrameContentSize {
			// The library wants some room behind the data to copy in steps.
			dst = grow(dst, n+64)
			out, err := z.DecodeAll(src, dst)
			if err == nil && int64(len(out)) > limit {
				err = ErrTooLarge
			}
			if err == nil {
				return out, int64(len(src)), nil
			}
			if !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
				return nil, int64(len(out)), err
			}
		}
	}
	in := bytes.NewReader(src)
	if err := z.Reset(in); err != nil {
		return nil, int64(len(src) - in.Len()), err
	}
	out, err := readAll(dst[:0], z, limit)
	if err == nil && len(out) == 0 && h.FrameContentSize != 0 {
		err = io.ErrUnexpectedEOF
	}
	return out, int64(len(src) - in.Len()), err
}

// streamZstd reads all frames up to the first bytes that are none.
func streamZstd(src []byte) (io.Reader, error) {
	z, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, &Error{Zstd, 0, err}
	}
	return &zstdStream{z: z}, nil
}

// A zstdStream ends where the decoder meets something that is no frame.
type zstdStream struct {
	z    *zstd.Decoder
	read bool // a frame has been seen
}

// Read reads on; it ends at the first bytes after a frame that begin no other.
func (s *zstdStream) Read(p []byte) (int, error) {
	n, err := s.z.Read(p)
	s.read = s.read || n > 0
	if s.read && errors.Is(err, zstd.ErrMagicMismatch) {
		err = io.EOF
	}
	return n, err
}

package compress

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdWindowMax is that of zstd's highest level, and of its command without further options.
const zstdWindowMax = 128 << 20

var (
	errFrame  = errors.New("not a zstd frame")
	errWindow = errors.New("the window is larger than 128 MiB")
)

// zstds holds idle decoders.
var zstds sync.Pool

// takeZstd returns a decoder that starts no goroutines. Whoever takes it gives it back by putZstd.
func takeZstd() (*zstd.Decoder, error) {
	if z, ok := zstds.Get().(*zstd.Decoder); ok {
		return z, nil
	}
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecodeAllCapLimit(true))
}

// putZstd gives a decoder back. One that is in the middle of a stream holds what DecodeAll would wait for, for ever:
// Reset releases that.
func putZstd(z *zstd.Decoder) {
	z.Reset(nil)
	zstds.Put(z)
}

// expandZstd decodes all frames of a zstd file.
func expandZstd(dst, src []byte, limit int64) ([]byte, int64, error) {
	size := 0
	var h zstd.Header
	if h.Decode(src) == nil && h.HasFCS {
		if h.FrameContentSize > uint64(limit) {
			return nil, int64(h.HeaderSize), ErrTooLarge
		}
		if n := backed(h.FrameContentSize, len(src), limit); uint64(n) == h.FrameContentSize {
			size = n
		}
	}
	return decodeZstd(dst, src, size, limit)
}

// firstZstd decodes the frame at the start of src.
func firstZstd(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	in := bytes.NewReader(src)
	frame := newZstdPieces(&counter{r: in})
	n, err := io.Copy(io.Discard, frame)
	if err != nil {
		return nil, n, err
	}
	out, read, err := decodeZstd(nil, src[:n], hint, limit)
	return out, n + read + int64(len(out)), err
}

// decodeZstd decodes all frames of src, which are believed to have size bytes, if that is not 0. With an error it
// returns what it could decode as well, and how much of src it had read.
func decodeZstd(dst, src []byte, size int, limit int64) ([]byte, int64, error) {
	z, err := takeZstd()
	if err != nil {
		return nil, 0, err
	}
	defer putZstd(z)
	if size > 0 {
		const slack = 64 // the decoder wants some room behind the data
		dst = grow(dst, size+slack)
		if out, err := z.DecodeAll(src, dst); err == nil && int64(len(out)) <= limit {
			return out, int64(len(src)), nil
		}
		// There is more, or something is wrong, and reading tells where.
	}
	in := bytes.NewReader(src)
	if err := z.Reset(in); err != nil {
		return nil, 0, err
	}
	out, err := readAll(dst, z, limit)
	return out, int64(len(src) - in.Len()), err
}

// NewZstdWriter returns a writer that compresses to w as zstd, with a window of 8 MiB and a checksum. Close ends the
// stream and leaves w open.
func NewZstdWriter(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(8<<20))
}

// Pack compresses data as zstd in little time.
func Pack(data []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(data, nil), nil
}

// streamZstd expands a frame while it is read.
func streamZstd(in *counter) (io.ReadCloser, error) {
	z, err := takeZstd()
	if err != nil {
		return nil, err
	}
	frame := newZstdPieces(in)
	if err := z.Reset(frame); err != nil {
		putZstd(z)
		return nil, err
	}
	return whole{zstdStream{z}, &frame.pieces}, nil
}

// A zstdStream is a decoder that goes back to the others when it is closed.
type zstdStream struct{ *zstd.Decoder }

func (s zstdStream) Close() error {
	putZstd(s.Decoder)
	return nil
}

// zstdPieces are the pieces of one frame of zstd.
type zstdPieces struct {
	pieces
	summed bool // a checksum follows the last block
}

func newZstdPieces(in *counter) *zstdPieces {
	z := &zstdPieces{pieces: pieces{in: in}}
	z.next = z.header
	return z
}

// header reads the header of the frame.
func (z *zstdPieces) header() error {
	const magic = "\x28\xb5\x2f\xfd"
	b, err := z.take(len(magic) + 1)
	if err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return errFrame
	}
	descriptor := b[len(magic)]
	z.summed = descriptor&4 != 0
	single := descriptor&0x20 != 0 // the content is in memory at once, and there is no window
	z.body = int64([4]int{0, 2, 4, 8}[descriptor>>6] + [4]int{0, 1, 2, 4}[descriptor&3])
	if !single || descriptor>>6 == 0 { // the window, or a size of one byte
		z.body++
	}
	z.next = z.block
	return nil
}

// block reads the header of a block.
func (z *zstdPieces) block() error {
	b, err := z.take(3)
	if err != nil {
		return err
	}
	const repeated = 1
	head := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
	if z.body = head >> 3; head>>1&3 == repeated {
		z.body = 1
	}
	if last := head&1 != 0; last {
		z.next = z.end
		if z.summed {
			z.body += 4
		}
	}
	return nil
}

// end is behind the frame.
func (z *zstdPieces) end() error { return io.EOF }

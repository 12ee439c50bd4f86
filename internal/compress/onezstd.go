//go:build !kmod_nozstd

package compress

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

func oneZstd(in *counter) (io.ReadCloser, error) {
	z, err := zstd.NewReader(&zstdFrame{in: in}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// zstdFrame passes one frame on and then ends: the decoder would look for another. It follows RFC 8878, 3.1.1.
type zstdFrame struct {
	in    *counter
	head  []byte // parsed and not yet passed on
	left  int64  // content of the block to be passed on
	last  bool   // no block follows
	sum   int64  // bytes of checksum after the last block
	begun bool
}

var (
	errFrame = errors.New("not a zstd frame")
	errCut   = errors.New("frame ends early") // the decoder takes some io.ErrUnexpectedEOF for the end
)

func (z *zstdFrame) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(z.head) == 0 && z.left == 0 {
		if z.begun && z.last {
			return 0, io.EOF
		}
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	if len(z.head) > 0 {
		n := copy(p, z.head)
		z.head = z.head[n:]
		return n, nil
	}
	n, err := z.in.Read(p[:min(int64(len(p)), z.left)])
	z.left -= int64(n)
	if err == io.EOF {
		err = errCut
	}
	return n, err
}

// next reads the header of the frame, then that of each block.
func (z *zstdFrame) next() error {
	if !z.begun {
		z.begun = true
		return z.header()
	}
	if err := z.take(3); err != nil {
		return err
	}
	block := uint32(z.head[0]) | uint32(z.head[1])<<8 | uint32(z.head[2])<<16
	z.last = block&1 != 0
	switch block >> 1 & 3 {
	case 1: // one byte, repeated
		z.left = 1
	default:
		z.left = int64(block >> 3)
	}
	if z.last {
		z.left += z.sum
	}
	return nil
}

// header reads the frame's header.
func (z *zstdFrame) header() error {
	if err := z.take(5); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(z.head) != 0xfd2fb528 {
		return errFrame
	}
	d := z.head[4]
	size := int64([...]int{0, 2, 4, 8}[d>>6]) + int64([...]int{0, 1, 2, 4}[d&3])
	if d&0x20 == 0 {
		size++ // window descriptor
	} else if d>>6 == 0 {
		size++ // content size of one byte
	}
	if d&4 != 0 {
		z.sum = 4
	}
	z.left = size
	return nil
}

// take reads n bytes of a header.
func (z *zstdFrame) take(n int) error {
	z.head = make([]byte, n)
	if _, err := io.ReadFull(z.in, z.head); err != nil {
		z.head = nil
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errCut
		}
		return err
	}
	return nil
}

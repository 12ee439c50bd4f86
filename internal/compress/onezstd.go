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
	if z.left, z.last = zstdBlock(z.head); z.last {
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
	z.left, z.sum = zstdHeader(z.head[4])
	return nil
}

// zstdHeader tells from the descriptor of a frame how many bytes its header goes on for, and how long the checksum is.
func zstdHeader(d byte) (size, sum int64) {
	size = int64([...]int{0, 2, 4, 8}[d>>6]) + int64([...]int{0, 1, 2, 4}[d&3])
	if d&0x20 == 0 {
		size++ // window descriptor
	} else if d>>6 == 0 {
		size++ // content size of one byte
	}
	if d&4 != 0 {
		sum = 4
	}
	return size, sum
}

// zstdBlock tells from the header of a block how long its content is, and whether it is the last.
func zstdBlock(head []byte) (size int64, last bool) {
	block := uint32(head[0]) | uint32(head[1])<<8 | uint32(head[2])<<16
	if block>>1&3 == 1 { // one byte, repeated
		return 1, block&1 != 0
	}
	return int64(block >> 3), block&1 != 0
}

// zstdFrameSize is the length of the frame that src begins with.
func zstdFrameSize(src []byte) (int64, error) {
	if len(src) < 5 || binary.LittleEndian.Uint32(src) != 0xfd2fb528 {
		return 0, errFrame
	}
	size, sum := zstdHeader(src[4])
	at, n := 5+size, int64(len(src))
	for last := false; !last; {
		if at > n || 3 > n-at {
			return 0, errCut
		}
		size, last = zstdBlock(src[at:])
		at += 3 + size
	}
	if at += sum; at > n {
		return 0, errCut
	}
	return at, nil
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

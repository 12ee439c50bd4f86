//go:build !kmod_nozstd

package compress

import "io"

// oneZstd expands a frame while it is read.
func oneZstd(in *counter) (io.ReadCloser, error) {
	z := &zstdReader{in: in, d: zstds.Get().(*zstdDecoder)}
	z.d.out, z.d.pos = nil, 0
	return z, nil
}

// A zstdReader keeps what matches can reach of what it has expanded.
type zstdReader struct {
	in    *counter
	d     *zstdDecoder
	chunk []byte // bitsBefore bytes, and what was read last
	given int    // how much of what was expanded Read has returned
	begun bool
	err   error
}

// take reads n bytes.
func (z *zstdReader) take(n int) ([]byte, error) {
	if cap(z.chunk) < bitsBefore+n {
		z.chunk = make([]byte, bitsBefore+n)
	}
	b := z.chunk[bitsBefore : bitsBefore+n]
	if _, err := io.ReadFull(z.in, b); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errTruncated
	} else if err != nil {
		return nil, err
	}
	return b, nil
}

func (z *zstdReader) Read(p []byte) (int, error) {
	for z.err == nil && z.given == z.d.pos {
		if z.begun {
			z.err = z.block()
		} else {
			z.err = z.header()
		}
	}
	if z.d == nil {
		return 0, z.err
	}
	n := copy(p, z.d.out[z.given:z.d.pos])
	if z.given += n; n == 0 && len(p) > 0 {
		return 0, z.err
	}
	return n, nil
}

// Close gives the decoder back.
func (z *zstdReader) Close() error {
	if z.d != nil {
		z.d.out = nil
		zstds.Put(z.d)
		z.d, z.err = nil, io.ErrClosedPipe
	}
	return nil
}

// header reads the frame's header.
func (z *zstdReader) header() error {
	b, err := z.take(5)
	if err != nil {
		return err
	}
	if string(b[:4]) != zstdMagic {
		return errFrame
	}
	head := []byte{b[4]}
	if b, err = z.take(zstdHeaderSize(head[0])); err != nil {
		return err
	}
	z.begun = true
	return z.d.begin(append(head, b...))
}

// block reads and expands a block. All that was expanded before has been returned.
func (z *zstdReader) block() error {
	b, err := z.take(3)
	if err != nil {
		return err
	}
	head := zstdBlockOf(b)
	if head.size > zstdBlockMax {
		return errCorrupt
	}
	if _, err = z.take(head.stored()); err != nil {
		return err
	}
	d := z.d
	if keep := int(min(d.head.window, uint64(d.pos))); d.pos-keep > keep/4+1<<20 { // the rest no match can reach
		copy(d.out, d.out[d.pos-keep:d.pos])
		d.base -= d.pos - keep
		d.pos, z.given = keep, keep
	}
	if err = d.block(head, z.chunk, bitsBefore); err != nil || !head.last {
		return err
	}
	if b, err = z.take(d.tail()); err != nil {
		return err
	}
	if err = d.end(b); err == nil {
		err = io.EOF
	}
	return err
}

//go:build !kmod_noxz

package compress

import (
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
)

// xzWriter puts chunks of LZMA2 into the container of xz: one stream of one block.
type xzWriter struct {
	f     finder
	e     *lzmaEncoder
	out   []byte      // what is to be written
	crc   hash.Hash32 // of what is compressed
	count tally       // of the block
	err   error
}

// blockAhead is how much is there before a chunk is encoded.
const blockAhead = 1 << 20

// tally counts what goes through it.
type tally struct {
	w io.Writer
	n int64
}

func (c *tally) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// xzCRC32 is the only check of content that the kernel knows.
const xzCRC32 = 1

// NewXzWriter returns a writer that compresses to w as the kernel can read it: with CRC32 as the check, a dictionary of
// 8 MiB, and no filter. Close ends the stream and leaves w open.
func NewXzWriter(w io.Writer) io.WriteCloser {
	x := &xzWriter{e: newLZMAEncoder(), crc: crc32.NewIEEE()}
	x.count.w = w
	const dictSize = 2*windowBits - 24 // as LZMA2 spells a power of two
	x.out = withCRC(append(x.out, xzMagic...), len(xzMagic), 0, xzCRC32)
	x.out = withCRC(x.out, len(x.out), 2, 0, xzLZMA2, 1, dictSize, 0, 0, 0)
	return x
}

// withCRC appends data and the checksum of what comes after from.
func withCRC(out []byte, from int, data ...byte) []byte {
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
}

func (x *xzWriter) Write(p []byte) (n int, err error) {
	x.crc.Write(p)
	for len(p) > 0 && x.err == nil {
		k := x.f.fill(p)
		n, p = n+k, p[k:]
		for len(x.f.buf)-x.f.pos >= blockAhead && x.err == nil {
			x.flush(x.e.block(&x.f, x.out))
		}
	}
	return n, x.err
}

// Close encodes what is left. It does not close the stream below.
func (x *xzWriter) Close() error {
	for x.f.pos < len(x.f.buf) && x.err == nil {
		x.flush(x.e.block(&x.f, x.out))
	}
	if x.err == nil {
		x.flush(x.end(x.out))
	}
	return x.err
}

func (x *xzWriter) flush(out []byte) {
	_, x.err = x.count.Write(out)
	x.out = out[:0]
}

// end appends what follows the chunks: the check, the index and the footer.
func (x *xzWriter) end(out []byte) []byte {
	out = append(out, 0) // no more chunks
	written := func() int64 { return x.count.n + int64(len(out)) - xzHeaderSize }
	unpadded := written() + crc32.Size
	for written()%4 != 0 {
		out = append(out, 0)
	}
	out = binary.LittleEndian.AppendUint32(out, x.crc.Sum32())
	index := len(out)
	out = append(out, 0, 1) // an index, of one block
	out = binary.AppendUvarint(out, uint64(unpadded))
	out = binary.AppendUvarint(out, uint64(x.e.size))
	for (len(out)-index)%4 != 0 {
		out = append(out, 0)
	}
	out = withCRC(out, index)
	footer := binary.LittleEndian.AppendUint32(nil, uint32((len(out)-index)/4-1))
	footer = append(footer, 0, xzCRC32)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(footer))
	return append(append(out, footer...), xzFooter...)
}

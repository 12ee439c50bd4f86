//go:build !kmod_nozstd

package compress

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"
)

const (
	zstdWindowMin = 1 << 10
	zstdWindowMax = 128 << 20 // that of zstd's highest level, and of its command without further options
)

var (
	errFrame      = errors.New("not a zstd frame")
	errWindow     = errors.New("window is larger than 128 MiB")
	errDictionary = errors.New("a dictionary is needed")
	errChecksum   = errors.New("checksum differs")
)

// zstds holds idle decoders.
var zstds = sync.Pool{New: func() any { return newZstdDecoder() }}

// expandZstd decodes all frames of a zstd file. One frame that tells a believable size, which is what module files are, is left
// to the library where that is quicker.
func expandZstd(dst, src []byte, limit int64) ([]byte, int64, error) {
	if size := zstdClaim(src); size > 0 && size <= uint64(limit) && uint64(backed(size, len(src), limit)) == size {
		if out, ok := zstdLibrary(dst, src, int(size)); ok {
			return out, int64(len(src)), nil
		}
	}
	return expandFrames(dst, src, limit)
}

// zstdClaim is the size that the first frame tells, 0 if it does not.
func zstdClaim(src []byte) uint64 {
	var h zstdHeader
	if len(src) < 5 || 1+zstdHeaderSize(src[4]) > len(src)-4 || h.parse(src[4:5+zstdHeaderSize(src[4])]) != nil {
		return 0
	}
	return h.size
}

// expandFrames decodes all frames.
func expandFrames(dst, src []byte, limit int64) ([]byte, int64, error) {
	d := zstds.Get().(*zstdDecoder)
	defer zstds.Put(d)
	d.out, d.pos = dst[:cap(dst)], 0
	at, err := d.frame(src, 0, limit)
	for at < len(src) && err == nil {
		if size, ok := skippable(src[at:]); !ok {
			at, err = d.frame(src, at, limit)
		} else if at += 8; size > int64(len(src)-at) {
			err = errTruncated
		} else {
			at += int(size)
		}
	}
	out := d.out[:d.pos]
	d.out = nil
	return out, int64(at), err
}

// firstZstd decodes the frame at the start of src. If it gives what hint says, as in boot images, that is left to the library where
// it is quicker.
func firstZstd(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	if n := zstdFrameSize(src); n > 0 && hint > 0 {
		if out, ok := zstdLibrary(nil, src[:n], hint); ok {
			return out, int64(n + hint), nil
		}
		work = int64(n + hint)
	}
	d := zstds.Get().(*zstdDecoder)
	defer zstds.Put(d)
	d.out, d.pos = nil, 0
	d.room(hint)
	n, err := d.frame(src, 0, limit)
	out, d.out = d.out[:d.pos], nil
	return out, work + int64(n+len(out)), err
}

// zstdFrameSize is how long the frame is that src begins with, 0 if src is cut off or is none.
func zstdFrameSize(src []byte) int {
	if len(src) < 5 || string(src[:4]) != zstdMagic {
		return 0
	}
	at := 5 + zstdHeaderSize(src[4])
	for last := false; !last; {
		if at > len(src) || 3 > len(src)-at {
			return 0
		}
		b := zstdBlockOf(src[at:])
		at, last = at+3+b.stored(), b.last
	}
	if src[4]&4 != 0 {
		at += 4 // checksum
	}
	if at > len(src) {
		return 0
	}
	return at
}

// skippable tells whether a frame without content begins here, and how long it is behind its header of 8 bytes.
func skippable(src []byte) (int64, bool) {
	if len(src) < 8 || binary.LittleEndian.Uint32(src)&^15 != 0x184d2a50 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(src[4:])), true
}

// A zstdHeader is what a frame says of itself.
type zstdHeader struct {
	size   uint64 // of the content
	sized  bool   // size is told
	summed bool   // a checksum follows the last block
	window uint64 // how far back matches reach
}

// zstdHeaderSize tells from the first byte of a header, the descriptor, how many follow.
func zstdHeaderSize(b byte) int {
	size := [4]int{0, 2, 4, 8}[b>>6] + [4]int{0, 1, 2, 4}[b&3]
	if b&0x20 == 0 || b>>6 == 0 { // a window, or a size of one byte
		size++
	}
	return size
}

// parse reads a header without its magic number, and nothing behind it.
func (h *zstdHeader) parse(b []byte) error {
	descriptor := b[0]
	single := descriptor&0x20 != 0 // the content is in memory at once
	*h = zstdHeader{summed: descriptor&4 != 0}
	if b = b[1:]; descriptor&8 != 0 {
		return errFrame
	}
	if !single {
		h.window = 1 << (10 + b[0]>>3)
		h.window += h.window / 8 * uint64(b[0]&7)
		b = b[1:]
	}
	for n := [4]int{0, 1, 2, 4}[descriptor&3]; n > 0; n-- {
		if b[0] != 0 {
			return errDictionary
		}
		b = b[1:]
	}
	for i, c := range b {
		h.size |= uint64(c) << (8 * i)
	}
	if h.sized = len(b) > 0; len(b) == 2 {
		h.size += 256
	}
	if h.window > zstdWindowMax {
		return errWindow
	}
	if single {
		h.window = max(h.size, zstdWindowMin)
	}
	return nil
}

// A zstdBlock is the header of a block.
type zstdBlock struct {
	last bool
	kind byte
	size int // of what follows; for a repeated byte, of the content
}

const (
	zstdRaw = iota
	zstdRepeated
	zstdCompressed
)

func zstdBlockOf(b []byte) zstdBlock {
	v := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	return zstdBlock{v&1 != 0, byte(v >> 1 & 3), v >> 3}
}

// stored is how many bytes follow.
func (b zstdBlock) stored() int {
	if b.kind == zstdRepeated {
		return 1
	}
	return b.size
}

// frame decodes the frame that begins at src[at] and returns where it ends, or where it is damaged.
func (d *zstdDecoder) frame(src []byte, at int, limit int64) (int, error) {
	if len(src)-at < 5 || string(src[at:at+4]) != zstdMagic {
		return at, errFrame
	}
	at += 4
	n := 1 + zstdHeaderSize(src[at])
	if n > len(src)-at {
		return at, errTruncated
	}
	if err := d.begin(src[at : at+n]); err != nil {
		return at, err
	}
	at += n
	if d.head.sized {
		if d.head.size > uint64(limit-int64(d.pos)) {
			return at, ErrTooLarge
		}
		d.room(backed(d.head.size, len(src)-at, limit-int64(d.pos)))
	}
	for last := false; !last; {
		if len(src)-at < 3 {
			return at, errTruncated
		}
		b := zstdBlockOf(src[at:])
		if at += 3; b.stored() > len(src)-at {
			return at, errTruncated
		}
		if err := d.block(b, src, at); err != nil {
			return at, err
		}
		at, last = at+b.stored(), b.last
		if int64(d.pos) > limit {
			return at, ErrTooLarge
		}
	}
	n = d.tail()
	if n > len(src)-at {
		return at, errTruncated
	}
	return at + n, d.end(src[at : at+n])
}

// begin takes the header of a frame and forgets the frame before.
func (d *zstdDecoder) begin(header []byte) error {
	d.base, d.made, d.seqs.reps = d.pos, 0, [3]uint32{1, 4, 8}
	d.sum.reset()
	d.huff.set = false
	for i := range d.tables {
		d.tables[i].set = false
	}
	return d.head.parse(header)
}

// room makes room for n bytes behind those that were expanded.
func (d *zstdDecoder) room(n int) {
	if n += copySlack; len(d.out)-d.pos >= n {
		return
	}
	out := make([]byte, d.pos+n)
	copy(out, d.out[:d.pos])
	d.out = out
	prefault(out[d.pos:])
}

// block expands the block whose content src[at:] begins with. In front of it there are bitsBefore bytes at least.
func (d *zstdDecoder) block(b zstdBlock, src []byte, at int) error {
	most := int(min(d.head.window, zstdBlockMax))
	if b.size > most {
		return errCorrupt
	}
	if d.head.sized {
		most = int(min(uint64(most), d.head.size-d.made))
	}
	if len(d.out)-d.pos < most+copySlack {
		d.room(max(most, min(d.pos, zstdGrowth)))
	}
	start := d.pos
	switch {
	case b.kind == zstdCompressed:
		if !d.compressed(src, at, at+b.size, most) {
			return errCorrupt
		}
	case b.size > most || b.kind > zstdCompressed:
		return errCorrupt
	case b.kind == zstdRaw:
		d.pos += copy(d.out[d.pos:], src[at:at+b.size])
	default:
		d.pos += b.size
		for i := range d.out[start:d.pos] {
			d.out[start+i] = src[at]
		}
	}
	d.made += uint64(d.pos - start)
	if d.head.summed {
		d.sum.write(d.out[start:d.pos])
	}
	return nil
}

// zstdGrowth bounds by how much the room for content whose size nobody knows is made larger at a time.
const zstdGrowth = math.MaxInt32 / 4

// tail is how many bytes follow the last block.
func (d *zstdDecoder) tail() int {
	if d.head.summed {
		return 4
	}
	return 0
}

// end compares the frame with what it says of itself, at its end as well.
func (d *zstdDecoder) end(tail []byte) error {
	switch {
	case d.head.sized && d.made != d.head.size:
		return errCorrupt
	case d.head.summed && binary.LittleEndian.Uint32(tail) != uint32(d.sum.sum()):
		return errChecksum
	}
	return nil
}

package xz

import (
	"encoding/binary"
	"io"
)

// What the first byte of a chunk may be, besides 0 at the end.
const (
	copyReset   = 0x01 // bytes as they are, after forgetting the dictionary
	copyKeep    = 0x02 // bytes as they are
	compressed  = 0x80 // from here on: LZMA
	stateReset  = 0xa0 // from here on: after resetting the models
	newProps    = 0xc0 // from here on: with new parameters
	dictReset   = 0xe0 // from here on: after forgetting the dictionary
	sizeInFlags = 0x1f
)

// lzma2 decodes the LZMA2 data at the start of src, appending to dst, and
// returns how many bytes of src that took. Matches reach into what it has
// appended, at most dict bytes back. At most limit bytes may be in dst.
func (d *lzma) lzma2(dst, src []byte, dict uint32, limit int64) (out []byte, n int, err error) {
	d.dict, d.base = dict, len(dst)
	d.needDict, d.needProps = true, true
	for {
		if n >= len(src) {
			return dst, n, io.ErrUnexpectedEOF
		}
		d.pos = len(dst)
		if src[n] == 0 {
			return dst, n + 1, nil
		}
		var took int
		dst, took, err = d.lzma2Chunk(dst, src[n:], limit)
		if n += took; err != nil {
			return dst, n, err
		}
	}
}

// chunkHead returns how many bytes follow the first one of a chunk before its data, 0 if there is no such chunk.
func chunkHead(control byte) int {
	switch {
	case control >= newProps:
		return 5
	case control >= compressed:
		return 4
	case control <= copyKeep:
		return 2
	}
	return 0
}

// chunkSizes reads, after the first byte of a chunk, how many bytes it makes and how many follow the head.
func chunkSizes(control byte, head []byte) (size, stored int) {
	size = int(binary.BigEndian.Uint16(head)) + 1
	if control < compressed {
		return size, size
	}
	return size + int(control&sizeInFlags)<<16, int(binary.BigEndian.Uint16(head[2:])) + 1
}

// lzma2Chunk is lzma2 for one chunk, which is not the end.
func (d *lzma) lzma2Chunk(dst, src []byte, limit int64) (out []byte, n int, err error) {
	control := src[0]
	n = 1
	switch {
	case control >= dictReset || control == copyReset:
		d.needDict, d.needProps = false, true
		d.base = len(dst)
	case d.needDict:
		return dst, n, errCorrupt
	}
	head := chunkHead(control)
	if head == 0 {
		return dst, n, errCorrupt
	}
	if len(src)-n < head {
		return dst, n, io.ErrUnexpectedEOF
	}
	size, stored := chunkSizes(control, src[n:])
	if int64(size) > limit-int64(len(dst)) {
		return dst, n, ErrTooLarge
	}
	if control >= newProps {
		if !d.props(src[n+4]) {
			return dst, n, errCorrupt
		}
		d.needProps = false
	} else if control >= compressed && d.needProps {
		return dst, n, errCorrupt
	}
	n += head
	if len(src)-n < stored {
		return dst, len(src), io.ErrUnexpectedEOF
	}
	if cap(dst)-len(dst) < size+copySlack {
		dst = grow(dst, max(size, min(len(dst), int(limit)-len(dst)))+copySlack)
	}
	if control < compressed {
		return append(dst, src[n:][:stored]...), n + stored, nil
	}
	if control >= stateReset {
		d.reset()
	}
	d.out, d.pos = dst[:cap(dst)], len(dst)
	ok := d.chunk(d.input(src[n:], stored), stored, size)
	d.out = nil
	if !ok {
		return dst, n, errCorrupt
	}
	return dst[:len(dst)+size], n + stored, nil
}

// input returns the n bytes of a chunk at the start of src with inputSlack
// behind them.
func (d *lzma) input(src []byte, n int) []byte {
	if len(src)-n >= inputSlack {
		return src
	}
	padded := make([]byte, n+inputSlack)
	copy(padded, src[:n])
	return padded
}

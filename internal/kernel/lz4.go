package kernel

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pierrec/lz4/v4"
)

var errLZ4 = errors.New("lz4: damaged block")

const lz4Magic = "\x02\x21\x4c\x18" // legacy frame, the only one that kernels are packed with

const (
	// lz4Size is the most that a block gives.
	lz4Size = 8 << 20

	// lz4Ratio is how much a byte of a block gives at most.
	lz4Ratio = 255
)

// expandLZ4 expands the blocks of a legacy frame, each after its size, until the data end or no block follows. work
// is how many bytes were read and made. The library's reader would not end at what follows the frame.
func expandLZ4(src []byte, limit int) (out []byte, work int64, err error) {
	blocks := lz4Blocks(src[len(lz4Magic):])
	if len(blocks) == 0 {
		return nil, 0, errLZ4
	}
	for _, b := range blocks {
		room := min(lz4Size, limit-len(out), lz4Ratio*len(b))
		out = slices.Grow(out, room)
		n, err := lz4.UncompressBlock(b, out[len(out):len(out)+room])
		if work += int64(len(b) + room); err != nil {
			return nil, work, errLZ4
		}
		out = out[:len(out)+n]
	}
	return out, work, nil
}

// lz4Blocks finds the blocks.
func lz4Blocks(src []byte) (blocks [][]byte) {
	for len(src) >= 4 {
		n := int64(binary.LittleEndian.Uint32(src))
		if string(src[:4]) == lz4Magic { // frames may be joined
			src = src[4:]
			continue
		}
		if n == 0 || n > int64(len(src)-4) {
			break // the size that a boot image carries behind its payload, or what follows the frame
		}
		blocks, src = append(blocks, src[4:4+n]), src[4+n:]
	}
	return blocks
}

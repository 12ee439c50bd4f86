package kernelabi

import (
	"encoding/binary"
	"errors"
	"sync"
)

var errLZ4 = errors.New("lz4: damaged block")

const lz4Magic = "\x02\x21\x4c\x18" // legacy frame, the only one that kernels are packed with

// lz4Size is what each block but the last gives.
const lz4Size = 8 << 20

// expandLZ4 expands the blocks of a legacy frame, each after its size, until the data end or no block follows. work is how many bytes
// were read and made.
func expandLZ4(src []byte, limit int) (out []byte, work int64, err error) {
	blocks := lz4Blocks(src[len(lz4Magic):])
	if len(blocks) == 0 {
		return nil, 0, errLZ4
	}
	if room := len(blocks) * lz4Size; room <= limit && room-lz4Size <= 255*len(src) {
		out, ok := lz4Whole(blocks)
		if work = int64(room); ok {
			return out, work, nil
		}
	}
	// Some block is damaged, or shorter than it should be.
	for _, b := range blocks {
		more, err := lz4Block(out, b, min(limit, len(out)+lz4Size))
		if work += int64(len(b) + lz4Size); err != nil {
			return nil, work, err
		}
		out = more
	}
	return out, work, nil
}

// lz4Whole expands blocks side by side, if each but the last gives what it should.
func lz4Whole(blocks [][]byte) (out []byte, ok bool) {
	out = make([]byte, len(blocks)*lz4Size)
	sizes := make([]int, len(blocks))
	var wait sync.WaitGroup
	for i, b := range blocks {
		wait.Go(func() {
			from := i * lz4Size
			part, _ := lz4Block(out[from:from:from+lz4Size], b, lz4Size) // nothing if it is damaged
			sizes[i] = len(part)
		})
	}
	wait.Wait()
	last := len(blocks) - 1
	for i, n := range sizes {
		if n == 0 || i < last && n != lz4Size {
			return nil, false
		}
	}
	return out[:last*lz4Size+sizes[last]], true
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

// lz4Block appends one block's output to dst, which must not grow beyond limit. Matches reach back into this block only.
func lz4Block(dst, src []byte, limit int) ([]byte, error) {
	start := len(dst)
	length := func(nibble byte) (int, bool) { // a length of 15 goes on in bytes of up to 255
		n := int(nibble)
		for more := nibble == 15; more; {
			if len(src) == 0 || n > limit {
				return 0, false
			}
			n += int(src[0])
			more, src = src[0] == 255, src[1:]
		}
		return n, true
	}
	for len(src) > 0 {
		token := src[0]
		src = src[1:]
		n, ok := length(token >> 4)
		if !ok || n > len(src) || n > limit-len(dst) {
			return nil, errLZ4
		}
		dst, src = append(dst, src[:n]...), src[n:]
		if len(src) == 0 {
			return dst, nil // the last sequence has literals only
		}
		if len(src) < 2 {
			return nil, errLZ4
		}
		off := int(binary.LittleEndian.Uint16(src))
		src = src[2:]
		if n, ok = length(token & 15); !ok {
			return nil, errLZ4
		}
		n += 4
		if off == 0 || off > len(dst)-start || n > limit-len(dst) {
			return nil, errLZ4
		}
		for n > 0 { // the match may overlap what it makes
			k := min(n, off)
			dst = append(dst, dst[len(dst)-off:len(dst)-off+k]...)
			n -= k
		}
	}
	return dst, nil
}

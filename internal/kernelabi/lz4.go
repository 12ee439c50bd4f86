package kernelabi

import (
	"encoding/binary"
	"errors"
)

var errLZ4 = errors.New("lz4: damaged block")

const lz4Magic = "\x02\x21\x4c\x18" // legacy frame, the only one that kernels are packed with

// expandLZ4 expands the blocks of a legacy frame (blocks of up to 8 MiB of output, each after its size) until the data
// end or no block follows.
func expandLZ4(src []byte, limit int) ([]byte, error) {
	const block = 8 << 20
	out := make([]byte, 0, min(limit, 4*len(src))) // what kernels shrink to
	src = src[len(lz4Magic):]
	for len(src) >= 4 {
		n := int64(binary.LittleEndian.Uint32(src))
		if string(src[:4]) == lz4Magic { // frames may be joined
			src = src[4:]
			continue
		}
		if n == 0 || n > int64(len(src)-4) {
			break // the size that a boot image carries behind its payload, or what follows the frame
		}
		var err error
		if out, err = lz4Block(out, src[4:4+n], min(limit, len(out)+block)); err != nil {
			return nil, err
		}
		src = src[4+n:]
	}
	if len(out) == 0 {
		return nil, errLZ4
	}
	return out, nil
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

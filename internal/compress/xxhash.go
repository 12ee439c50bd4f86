package compress

import (
	"encoding/binary"
	"math/bits"
)

// An xxhash is the checksum that zstd has: XXH64 with the seed 0.
type xxhash struct {
	lanes [4]uint64
	rest  [32]byte // what does not fill all lanes
	n     uint64   // bytes in all
}

const (
	xx1 uint64 = 0x9e3779b185ebca87
	xx2 uint64 = 0xc2b2ae3d27d4eb4f
	xx3 uint64 = 0x165667b19e3779f9
	xx4 uint64 = 0x85ebca77c2b2ae63
	xx5 uint64 = 0x27d4eb2f165667c5
)

func (x *xxhash) reset() {
	one, two := xx1, xx2 // constants must not overflow
	*x = xxhash{lanes: [4]uint64{one + two, two, 0, -one}}
}

func xxRound(lane, v uint64) uint64 { return bits.RotateLeft64(lane+v*xx2, 31) * xx1 }

func (x *xxhash) write(p []byte) {
	have := int(x.n % 32)
	x.n += uint64(len(p))
	if have > 0 {
		k := copy(x.rest[have:], p)
		if p = p[k:]; have+k < 32 {
			return
		}
		x.blocks(x.rest[:])
	}
	whole := len(p) &^ 31
	x.blocks(p[:whole])
	copy(x.rest[:], p[whole:])
}

func (x *xxhash) blocks(p []byte) {
	a, b, c, d := x.lanes[0], x.lanes[1], x.lanes[2], x.lanes[3]
	for ; len(p) >= 32; p = p[32:] {
		a = xxRound(a, binary.LittleEndian.Uint64(p))
		b = xxRound(b, binary.LittleEndian.Uint64(p[8:]))
		c = xxRound(c, binary.LittleEndian.Uint64(p[16:]))
		d = xxRound(d, binary.LittleEndian.Uint64(p[24:]))
	}
	x.lanes = [4]uint64{a, b, c, d}
}

func (x *xxhash) sum() uint64 {
	h := xx5
	if l := &x.lanes; x.n >= 32 {
		h = bits.RotateLeft64(l[0], 1) + bits.RotateLeft64(l[1], 7) + bits.RotateLeft64(l[2], 12) + bits.RotateLeft64(l[3], 18)
		for _, lane := range l {
			h = (h^xxRound(0, lane))*xx1 + xx4
		}
	}
	h += x.n
	rest := x.rest[:x.n%32]
	for ; len(rest) >= 8; rest = rest[8:] {
		h = bits.RotateLeft64(h^xxRound(0, binary.LittleEndian.Uint64(rest)), 27)*xx1 + xx4
	}
	if len(rest) >= 4 {
		h = bits.RotateLeft64(h^uint64(binary.LittleEndian.Uint32(rest))*xx1, 23)*xx2 + xx3
		rest = rest[4:]
	}
	for _, c := range rest {
		h = bits.RotateLeft64(h^uint64(c)*xx5, 11) * xx1
	}
	h = (h ^ h>>33) * xx2
	h = (h ^ h>>29) * xx3
	return h ^ h>>32
}

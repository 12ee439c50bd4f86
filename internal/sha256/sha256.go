// Package sha256 computes SHA-256 as crypto/sha256 does, which most binaries have it from. In those for boot images, with the tag
// kmod_boot, it is a small implementation of FIPS 180-4 instead: the standard library's brings modes, self tests and generators of
// random numbers with it, 160,000 bytes, and boot images have nothing but checks of xz files for it.
package sha256

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

// Size is the length of a sum in bytes.
const Size = 32

const blockSize = 64

// A digest is a sum that is being computed.
type digest struct {
	h    [8]uint32
	rest [blockSize]byte // what does not fill a block
	n    uint64          // bytes in all
}

func newDigest() hash.Hash {
	d := new(digest)
	d.Reset()
	return d
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return blockSize }

func (d *digest) Reset() {
	*d = digest{h: [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}}
}

func (d *digest) Write(p []byte) (int, error) {
	written := len(p)
	have := int(d.n % blockSize)
	d.n += uint64(len(p))
	if have > 0 {
		k := copy(d.rest[have:], p)
		if p = p[k:]; have+k < blockSize {
			return written, nil
		}
		d.block(d.rest[:])
	}
	for ; len(p) >= blockSize; p = p[blockSize:] {
		d.block(p[:blockSize])
	}
	copy(d.rest[:], p)
	return written, nil
}

func (d *digest) Sum(b []byte) []byte {
	e := *d
	pad := make([]byte, 1+(2*blockSize-9-d.n%blockSize)%blockSize, blockSize+8)
	pad[0] = 0x80
	e.Write(binary.BigEndian.AppendUint64(pad, d.n*8))
	for _, v := range e.h {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// block adds a block.
func (d *digest) block(p []byte) {
	var w [64]uint32
	for i := range w {
		if i < 16 {
			w[i] = binary.BigEndian.Uint32(p[4*i:])
			continue
		}
		a, b := w[i-15], w[i-2]
		w[i] = w[i-16] + w[i-7] +
			(bits.RotateLeft32(a, -7) ^ bits.RotateLeft32(a, -18) ^ a>>3) +
			(bits.RotateLeft32(b, -17) ^ bits.RotateLeft32(b, -19) ^ b>>10)
	}
	s := d.h
	for i, v := range w {
		a, e := s[0], s[4]
		t := s[7] + constants[i] + v + (s[5]&e | s[6]&^e) +
			(bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25))
		u := (a&s[1] | a&s[2] | s[1]&s[2]) +
			(bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22))
		s = [8]uint32{t + u, a, s[1], s[2], s[3] + t, e, s[5], s[6]}
	}
	for i, v := range s {
		d.h[i] += v
	}
}

// constants are the first 32 bits of the fractions of the cube roots of the first 64 primes.
var constants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

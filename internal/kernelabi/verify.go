package kernelabi

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Signatures are verified here with a few lines of arithmetic of our own: everything in them is public, so that nothing has to
// take constant time, and the packages under crypto would be a fifth of the program.

// A modulus computes modulo an odd number, with numbers in Montgomery's form: x stands for x·2^(64·len(n)).
type modulus struct {
	n  []uint64 // the lowest word first
	r2 []uint64 // 2^(2·64·len(n)) mod n
	k  uint64   // -1/n modulo 2^64
}

func newModulus(n []uint64) *modulus {
	inv := n[0] // Newton: each step doubles the number of right bits
	for range 6 {
		inv *= 2 - n[0]*inv
	}
	m := &modulus{n: n, k: -inv}
	top := len(n) - 1
	for top > 0 && n[top] == 0 {
		top--
	}
	high := bits.Len64(n[top]) - 1
	x := make([]uint64, len(n))
	x[top] = 1 << high
	for range 64*(len(n)-top) - high + len(n) {
		x = m.add(x, x)
	}
	for range 6 { // from the form of 2^len(n) to that of 2^(64·len(n))
		x = m.mul(x, x)
	}
	m.r2 = x
	return m
}

// add returns a+b mod n; both are less than n.
func (m *modulus) add(a, b []uint64) []uint64 {
	t := make([]uint64, len(a))
	var carry uint64
	for i := range a {
		t[i], carry = bits.Add64(a[i], b[i], carry)
	}
	if carry == 1 || !less(t, m.n) {
		subtract(t, m.n)
	}
	return t
}

// mul returns a·b/2^(64·len(n)) mod n.
func (m *modulus) mul(a, b []uint64) []uint64 {
	t := make([]uint64, len(m.n)+2)
	for _, w := range a {
		addRow(t, w, b)
		addRow(t, t[0]*m.k, m.n)
		copy(t, t[1:])
		t[len(m.n)+1] = 0
	}
	if t[len(m.n)] != 0 || !less(t[:len(m.n)], m.n) {
		subtract(t[:len(m.n)], m.n)
	}
	return t[:len(m.n)]
}

// addRow adds w·v to t, which is two words longer than v.
func addRow(t []uint64, w uint64, v []uint64) {
	var carry, c uint64
	for i, x := range v {
		hi, lo := bits.Mul64(w, x)
		lo, c = bits.Add64(lo, carry, 0)
		hi += c
		t[i], c = bits.Add64(t[i], lo, 0)
		carry = hi + c
	}
	t[len(v)], c = bits.Add64(t[len(v)], carry, 0)
	t[len(v)+1] += c
}

// enter and leave change to Montgomery's form and back.
func (m *modulus) enter(x []uint64) []uint64 { return m.mul(x, m.r2) }

func (m *modulus) leave(x []uint64) []uint64 {
	one := make([]uint64, len(m.n))
	one[0] = 1
	return m.mul(x, one)
}

func less(a, b []uint64) bool {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// subtract takes b from a and returns the borrow.
func subtract(a, b []uint64) (borrow uint64) {
	for i := range a {
		a[i], borrow = bits.Sub64(a[i], b[i], borrow)
	}
	return borrow
}

// limbs turns a big-endian number into n words, the lowest first; ok is false if it does not fit.
func limbs(b []byte, n int) (out []uint64, ok bool) {
	b = bytes.TrimLeft(b, "\x00")
	if len(b) > 8*n {
		return nil, false
	}
	full := make([]byte, 8*n)
	copy(full[8*n-len(b):], b)
	for i := n - 1; i >= 0; i-- {
		out = append(out, binary.BigEndian.Uint64(full[8*i:]))
	}
	return out, true
}

// rsaVerify checks an RSA signature of PKCS#1 v1.5, exponent 65537, of a digest after its DigestInfo.
func rsaVerify(n, sig []byte, info string) bool {
	words := (len(n) + 7) / 8
	if words < 8 || words > 128 || n[len(n)-1]&1 == 0 || len(n) < len(info)+11 {
		return false
	}
	nn, _ := limbs(n, words)
	x, ok := limbs(sig, words)
	if !ok || !less(x, nn) {
		return false
	}
	m := newModulus(nn)
	x = m.enter(x)
	y := x
	for range 16 {
		y = m.mul(y, y)
	}
	y = m.leave(m.mul(y, x))
	want := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, len(n)-len(info)-3)...)
	w, _ := limbs(append(append(want, 0), info...), words)
	return !less(w, y) && !less(y, w)
}

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

// sub returns a-b mod n; both are less than n.
func (m *modulus) sub(a, b []uint64) []uint64 {
	t := append([]uint64(nil), a...)
	if subtract(t, b) == 1 {
		var carry uint64
		for i := range t {
			t[i], carry = bits.Add64(t[i], m.n[i], carry)
		}
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

// inverse returns 1/x modulo a prime.
func (m *modulus) inverse(x []uint64) []uint64 {
	e := append([]uint64(nil), m.n...)
	e[0] -= 2 // a prime of ours ends in more
	y := m.enter(append([]uint64{1}, make([]uint64, len(e)-1)...))
	for i := 64*len(e) - 1; i >= 0; i-- {
		if y = m.mul(y, y); e[i/64]>>(i%64)&1 == 1 {
			y = m.mul(y, x)
		}
	}
	return y
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

func isZero(a []uint64) bool {
	for _, w := range a {
		if w != 0 {
			return false
		}
	}
	return true
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

// A point of P-384 in Jacobian coordinates over the field; z is 0 for the point at infinity.
type point struct{ x, y, z []uint64 }

// The numbers of P-384: the field's prime, the group's order, and the base point.
const (
	p384P = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"
	p384N = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73"
	p384X = "\xaa\x87\xca\x22\xbe\x8b\x05\x37\x8e\xb1\xc7\x1e\xf3\x20\xad\x74\x6e\x1d\x3b\x62\x8b\xa7\x9b\x98\x59\xf7\x41\xe0\x82\x54\x2a\x38\x55\x02\xf2\x5d\xbf\x55\x29\x6c\x3a\x54\x5e\x38\x72\x76\x0a\xb7"
	p384Y = "\x36\x17\xde\x4a\x96\x26\x2c\x6f\x5d\x9e\x98\xbf\x92\x92\xdc\x29\xf8\xf4\x1d\xbd\x28\x9a\x14\x7c\xe9\xda\x31\x13\xb5\xf0\xb8\xc0\x0a\x60\xb1\xce\x1d\x7e\x81\x9d\x7a\x43\x1d\x7c\x90\xea\x0e\x5f"
)

// double returns 2p, by the formulas for a = -3.
func (f *modulus) double(p point) point {
	delta, gamma := f.mul(p.z, p.z), f.mul(p.y, p.y)
	beta := f.mul(p.x, gamma)
	alpha := f.mul(f.sub(p.x, delta), f.add(p.x, delta))
	alpha = f.add(f.add(alpha, alpha), alpha)
	beta4 := f.add(beta, beta)
	beta4 = f.add(beta4, beta4)
	x := f.sub(f.mul(alpha, alpha), f.add(beta4, beta4))
	yz := f.add(p.y, p.z)
	z := f.sub(f.sub(f.mul(yz, yz), gamma), delta)
	g2 := f.mul(gamma, gamma)
	for range 3 {
		g2 = f.add(g2, g2)
	}
	return point{x, f.sub(f.mul(alpha, f.sub(beta4, x)), g2), z}
}

// sum returns p+q.
func (f *modulus) sum(p, q point) point {
	if isZero(p.z) {
		return q
	}
	if isZero(q.z) {
		return p
	}
	pz2, qz2 := f.mul(p.z, p.z), f.mul(q.z, q.z)
	u1, u2 := f.mul(p.x, qz2), f.mul(q.x, pz2)
	s1, s2 := f.mul(f.mul(p.y, q.z), qz2), f.mul(f.mul(q.y, p.z), pz2)
	h, r := f.sub(u2, u1), f.sub(s2, s1)
	if isZero(h) {
		if isZero(r) {
			return f.double(p)
		}
		return point{p.x, p.y, make([]uint64, len(p.z))}
	}
	h2 := f.mul(h, h)
	h3, v := f.mul(h2, h), f.mul(u1, h2)
	x := f.sub(f.sub(f.mul(r, r), h3), f.add(v, v))
	return point{x, f.sub(f.mul(r, f.sub(v, x)), f.mul(s1, h3)), f.mul(f.mul(p.z, q.z), h)}
}

// ecdsaVerify checks an ECDSA signature on P-384, a DER sequence of two integers. The key is x and y of its point.
func ecdsaVerify(key, sig, digest []byte) bool {
	const words = 6
	number := func(b []byte) []uint64 {
		w, _ := limbs(b, words)
		return w
	}
	rb, sb, ok := derPair(sig)
	if !ok || len(key) != 96 || len(digest) > 48 {
		return false
	}
	p, n := newModulus(number([]byte(p384P))), newModulus(number([]byte(p384N)))
	r, ok1 := limbs(rb, words)
	s, ok2 := limbs(sb, words)
	if !ok1 || !ok2 || isZero(r) || isZero(s) || !less(r, n.n) || !less(s, n.n) {
		return false
	}
	w := n.inverse(n.enter(s))
	u1, u2 := n.mul(number(digest), w), n.mul(r, w) // one factor in Montgomery's form: the product is plain
	one := p.enter(number([]byte{1}))
	g := point{p.enter(number([]byte(p384X))), p.enter(number([]byte(p384Y))), one}
	q := point{p.enter(number(key[:48])), p.enter(number(key[48:])), one}
	both := p.sum(g, q)
	at := point{one, one, make([]uint64, words)}
	for i := 64*words - 1; i >= 0; i-- {
		at = p.double(at)
		switch b1, b2 := u1[i/64]>>(i%64)&1, u2[i/64]>>(i%64)&1; {
		case b1&b2 == 1:
			at = p.sum(at, both)
		case b1 == 1:
			at = p.sum(at, g)
		case b2 == 1:
			at = p.sum(at, q)
		}
	}
	if isZero(at.z) {
		return false
	}
	zi := p.inverse(at.z)
	x := p.leave(p.mul(at.x, p.mul(zi, zi)))
	if !less(x, n.n) {
		subtract(x, n.n)
	}
	return !less(x, r) && !less(r, x)
}

// derPair takes a DER sequence of two integers apart.
func derPair(b []byte) (r, s []byte, ok bool) {
	if len(b) < 8 || b[0] != 0x30 || int(b[1]) != len(b)-2 || b[1] >= 0x80 {
		return nil, nil, false
	}
	b = b[2:]
	if b[0] != 2 || int(b[1]) > len(b)-4 {
		return nil, nil, false
	}
	r, b = b[2:2+b[1]], b[2+b[1]:]
	if b[0] != 2 || int(b[1]) != len(b)-2 {
		return nil, nil, false
	}
	return r, b[2:], true
}

package kernelabi

import "math/bits"

// An element is a number modulo the prime of P-384's field, or modulo its group's order: a [modulus]'s number of just six words,
// for which neither memory has to be set aside nor a length looked at.
type element [6]uint64

// A prime computes with elements, in Montgomery's form.
type prime struct {
	n, r2 element
	k     uint64
}

func newPrime(n string) *prime {
	m := newModulus(words384([]byte(n)))
	return &prime{element(m.n), element(m.r2), m.k}
}

// words384 turns a big-endian number of at most 48 bytes into words.
func words384(b []byte) []uint64 {
	w, _ := limbs(b, len(element{}))
	return w
}

// row returns w·v, seven words.
func row(w uint64, v *element) (p0, p1, p2, p3, p4, p5, p6 uint64) {
	h0, p0 := bits.Mul64(w, v[0])
	h1, p1 := bits.Mul64(w, v[1])
	h2, p2 := bits.Mul64(w, v[2])
	h3, p3 := bits.Mul64(w, v[3])
	h4, p4 := bits.Mul64(w, v[4])
	h5, p5 := bits.Mul64(w, v[5])
	var c uint64
	p1, c = bits.Add64(p1, h0, 0)
	p2, c = bits.Add64(p2, h1, c)
	p3, c = bits.Add64(p3, h2, c)
	p4, c = bits.Add64(p4, h3, c)
	p5, c = bits.Add64(p5, h4, c)
	return p0, p1, p2, p3, p4, p5, h5 + c
}

// mul returns a·b/2^384 mod n.
func (m *prime) mul(a, b *element) element {
	var t0, t1, t2, t3, t4, t5, t6 uint64
	for _, w := range a {
		var c uint64
		p0, p1, p2, p3, p4, p5, p6 := row(w, b)
		t0, c = bits.Add64(t0, p0, 0)
		t1, c = bits.Add64(t1, p1, c)
		t2, c = bits.Add64(t2, p2, c)
		t3, c = bits.Add64(t3, p3, c)
		t4, c = bits.Add64(t4, p4, c)
		t5, c = bits.Add64(t5, p5, c)
		t6, c = bits.Add64(t6, p6, c)
		t7 := c
		// A multiple of n that makes the lowest word zero, which is then left out.
		p0, p1, p2, p3, p4, p5, p6 = row(t0*m.k, &m.n)
		_, c = bits.Add64(t0, p0, 0)
		t0, c = bits.Add64(t1, p1, c)
		t1, c = bits.Add64(t2, p2, c)
		t2, c = bits.Add64(t3, p3, c)
		t3, c = bits.Add64(t4, p4, c)
		t4, c = bits.Add64(t5, p5, c)
		t5, c = bits.Add64(t6, p6, c)
		t6 = t7 + c
	}
	return m.reduce(element{t0, t1, t2, t3, t4, t5}, t6)
}

// reduce returns t + 2^384·top, which is less than 2n, mod n.
func (m *prime) reduce(t element, top uint64) element {
	d, borrow := difference(&t, &m.n)
	if top < borrow {
		return t
	}
	return d
}

// add returns a+b mod n.
func (m *prime) add(a, b *element) element {
	t, carry := total(a, b)
	return m.reduce(t, carry)
}

// sub returns a-b mod n.
func (m *prime) sub(a, b *element) element {
	t, borrow := difference(a, b)
	if borrow == 1 {
		t, _ = total(&t, &m.n)
	}
	return t
}

// total returns a+b and the carry.
func total(a, b *element) (t element, c uint64) {
	t[0], c = bits.Add64(a[0], b[0], 0)
	t[1], c = bits.Add64(a[1], b[1], c)
	t[2], c = bits.Add64(a[2], b[2], c)
	t[3], c = bits.Add64(a[3], b[3], c)
	t[4], c = bits.Add64(a[4], b[4], c)
	t[5], c = bits.Add64(a[5], b[5], c)
	return t, c
}

// difference returns a-b and the borrow.
func difference(a, b *element) (t element, c uint64) {
	t[0], c = bits.Sub64(a[0], b[0], 0)
	t[1], c = bits.Sub64(a[1], b[1], c)
	t[2], c = bits.Sub64(a[2], b[2], c)
	t[3], c = bits.Sub64(a[3], b[3], c)
	t[4], c = bits.Sub64(a[4], b[4], c)
	t[5], c = bits.Sub64(a[5], b[5], c)
	return t, c
}

// enter and leave change to Montgomery's form and back.
func (m *prime) enter(x element) element { return m.mul(&x, &m.r2) }

func (m *prime) leave(x element) element { return m.mul(&x, &element{1}) }

// inverse returns 1/x.
func (m *prime) inverse(x *element) element {
	e := m.n
	e[0] -= 2 // both primes end in more
	y := m.enter(element{1})
	for i := 383; i >= 0; i-- {
		if y = m.mul(&y, &y); e[i/64]>>(i%64)&1 == 1 {
			y = m.mul(&y, x)
		}
	}
	return y
}

// A point of P-384 in Jacobian coordinates over the field; z is 0 for the point at infinity.
type point struct{ x, y, z element }

// The numbers of P-384: the field's prime, the group's order, and the base point.
const (
	p384P = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"
	p384N = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73"
	p384X = "\xaa\x87\xca\x22\xbe\x8b\x05\x37\x8e\xb1\xc7\x1e\xf3\x20\xad\x74\x6e\x1d\x3b\x62\x8b\xa7\x9b\x98\x59\xf7\x41\xe0\x82\x54\x2a\x38\x55\x02\xf2\x5d\xbf\x55\x29\x6c\x3a\x54\x5e\x38\x72\x76\x0a\xb7"
	p384Y = "\x36\x17\xde\x4a\x96\x26\x2c\x6f\x5d\x9e\x98\xbf\x92\x92\xdc\x29\xf8\xf4\x1d\xbd\x28\x9a\x14\x7c\xe9\xda\x31\x13\xb5\xf0\xb8\xc0\x0a\x60\xb1\xce\x1d\x7e\x81\x9d\x7a\x43\x1d\x7c\x90\xea\x0e\x5f"
)

// double returns 2p, by the formulas for a = -3.
func (f *prime) double(p *point) point {
	delta, gamma := f.mul(&p.z, &p.z), f.mul(&p.y, &p.y)
	beta := f.mul(&p.x, &gamma)
	minus, plus := f.sub(&p.x, &delta), f.add(&p.x, &delta)
	third := f.mul(&minus, &plus)
	alpha := f.add(&third, &third)
	alpha = f.add(&alpha, &third)
	beta4 := f.add(&beta, &beta)
	beta4 = f.add(&beta4, &beta4)
	beta8 := f.add(&beta4, &beta4)
	x := f.mul(&alpha, &alpha)
	x = f.sub(&x, &beta8)
	z := f.add(&p.y, &p.z)
	z = f.mul(&z, &z)
	z = f.sub(&z, &gamma)
	z = f.sub(&z, &delta)
	g8 := f.mul(&gamma, &gamma)
	for range 3 {
		g8 = f.add(&g8, &g8)
	}
	y := f.sub(&beta4, &x)
	y = f.mul(&alpha, &y)
	return point{x, f.sub(&y, &g8), z}
}

// sum returns p+q.
func (f *prime) sum(p, q *point) point {
	if p.z == (element{}) {
		return *q
	}
	if q.z == (element{}) {
		return *p
	}
	pz2, qz2 := f.mul(&p.z, &p.z), f.mul(&q.z, &q.z)
	u1, u2 := f.mul(&p.x, &qz2), f.mul(&q.x, &pz2)
	s1, s2 := f.mul(&p.y, &q.z), f.mul(&q.y, &p.z)
	s1, s2 = f.mul(&s1, &qz2), f.mul(&s2, &pz2)
	h, r := f.sub(&u2, &u1), f.sub(&s2, &s1)
	if h == (element{}) {
		if r == (element{}) {
			return f.double(p)
		}
		return point{p.x, p.y, element{}}
	}
	h2 := f.mul(&h, &h)
	h3, v := f.mul(&h2, &h), f.mul(&u1, &h2)
	x := f.mul(&r, &r)
	x = f.sub(&x, &h3)
	x = f.sub(&x, &v)
	x = f.sub(&x, &v)
	y := f.sub(&v, &x)
	y = f.mul(&r, &y)
	s1 = f.mul(&s1, &h3)
	z := f.mul(&p.z, &q.z)
	return point{x, f.sub(&y, &s1), f.mul(&z, &h)}
}

// combine returns a·g + b·q, by two bits of both at a time.
func (f *prime) combine(a, b *element, g, q *point) (at point) {
	var sums [16]point // i·g + j·q at 4i+j
	for i := 1; i < len(sums); i++ {
		if i < 4 {
			sums[i] = f.sum(&sums[i-1], q)
		} else {
			sums[i] = f.sum(&sums[i-4], g)
		}
	}
	for i := 383; i >= 1; i -= 2 {
		at = f.double(&at)
		at = f.double(&at)
		at = f.sum(&at, &sums[a[i/64]>>(i%64-1)&3<<2|b[i/64]>>(i%64-1)&3])
	}
	return at
}

// ecdsaVerify checks an ECDSA signature on P-384, a DER sequence of two integers. The key is x and y of its point.
func ecdsaVerify(key, sig, digest []byte) bool {
	rb, sb, ok := derPair(sig)
	if !ok || len(key) != 96 || len(digest) > 48 {
		return false
	}
	p, n := newPrime(p384P), newPrime(p384N)
	number := func(b []byte) element { return element(words384(b)) }
	within := func(b []byte) (element, bool) {
		w, ok := limbs(b, len(element{}))
		if !ok || !less(w, n.n[:]) {
			return element{}, false
		}
		return element(w), element(w) != element{}
	}
	r, ok1 := within(rb)
	s, ok2 := within(sb)
	if !ok1 || !ok2 {
		return false
	}
	s = n.enter(s)
	w, z := n.inverse(&s), number(digest)
	u1, u2 := n.mul(&z, &w), n.mul(&r, &w) // one factor in Montgomery's form: the product is plain
	one := p.enter(element{1})
	g := point{p.enter(number([]byte(p384X))), p.enter(number([]byte(p384Y))), one}
	q := point{p.enter(number(key[:48])), p.enter(number(key[48:])), one}
	at := p.combine(&u1, &u2, &g, &q)
	if at.z == (element{}) {
		return false
	}
	zi := p.inverse(&at.z)
	zi = p.mul(&zi, &zi)
	x := p.leave(p.mul(&at.x, &zi))
	if !less(x[:], n.n[:]) {
		x, _ = difference(&x, &n.n)
	}
	return x == r
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

package xz

import "math/bits"

// A coder is a range decoder: the state of the arithmetic decoding, and how far
// its input has been read. It is passed by value to stay in registers.
//
// Its speed comes from doing without branches where the data decides, since
// such a branch is mispredicted every other time: both outcomes of a decision
// are computed, and one is picked by a mask. What remains is a chain of
// instructions that each wait for the one before. To keep it short, the
// probabilities that either outcome leads to are loaded before the decision,
// and numbers of 32 bits have the size of a register, which they fit in.
type coder struct {
	rng, code uint
	pos       int
}

// norm makes the range large enough for the next decision.
func (c coder) norm(in []byte) coder {
	if c.rng < topValue {
		c.rng <<= 8
		c.code = c.code<<8 | uint(in[c.pos])
		c.pos++
	}
	return c
}

// decide makes a decision that is 0 with the probability v. It returns the
// probability learned from that, and a mask that is all ones if the decision
// is 0, and 0 if it is 1.
func (c coder) decide(v uint) (next coder, learned, mask uint) {
	bound := c.rng >> 11 * v
	diff, borrow := bits.Sub(c.code, bound, 0)
	mask = -borrow
	// Towards 2048 or 0 by a 32nd of the way.
	learned = v - uint(int(v+mask&towards2048)>>5)
	c.rng = c.rng - bound + mask&(2*bound-c.rng)
	c.code = diff + bound&mask
	return c, learned, mask
}

const towards2048 = ^uint(0) - 2048 + 32 // -2048+31

// step is decide for a probability in memory, written out because otherwise
// the compiler would not inline it.
func (c coder) step(p *prob) (next coder, mask uint) {
	v := uint(*p)
	bound := c.rng >> 11 * v
	diff, borrow := bits.Sub(c.code, bound, 0)
	mask = -borrow
	*p = prob(v - uint(int(v+mask&towards2048)>>5))
	c.rng = c.rng - bound + mask&(2*bound-c.rng)
	c.code = diff + bound&mask
	return c, mask
}

// pick returns zero if the mask is all ones, and one if it is 0.
func pick(mask, zero, one uint) uint { return one ^ (one^zero)&mask }

// tree decodes a number by a tree of decisions, the highest bit first. It is
// returned with a 1 in front, so from limit to below 2*limit.
func (c coder) tree(in []byte, p []prob, limit uint) (coder, uint) {
	var mask uint
	m, v := uint(1), uint(p[1])
	for 2*m < limit {
		next := p[2*m:][:2]
		zero, one := uint(next[0]), uint(next[1])
		c, v, mask = c.norm(in).decide(v)
		p[m] = prob(v)
		m, v = 2*m+1+mask, pick(mask, zero, one)
	}
	c, v, mask = c.norm(in).decide(v)
	p[m] = prob(v)
	return c, 2*m + 1 + mask
}

// literal decodes a byte.
func (c coder) literal(in []byte, p *[litSize]prob) (coder, byte) {
	c, m := c.tree(in, p[:0x100], 0x100)
	return c, byte(m)
}

// matched decodes a byte where a match ended just before, so that it likely
// differs from the byte like, with which the match would have gone on. As long
// as it does not, its bits have models of their own: those from 0x100 on where
// like has a 0, those from 0x200 on where it has a 1.
func (c coder) matched(in []byte, p *[litSize]prob, like byte) (coder, byte) {
	var mask uint
	bits := uint(like) << 1
	m, same := uint(1), ^uint(0) // same is 0 once a bit has differed
	models := 0x100 + bits&0x100
	v := uint(p[models+1])
	for m < 0x80 {
		i := same&models + m
		bit := -(bits >> 8 & 1) // all ones for a 1
		bits <<= 1
		models = 0x100 + bits&0x100
		zero, one := uint(p[same&(models&^bit)+2*m]), uint(p[same&(models&bit)+2*m+1])
		c, v, mask = c.norm(in).decide(v)
		p[i] = prob(v)
		m, v = 2*m+1+mask, pick(mask, zero, one)
		same &= mask ^ bit
	}
	i := same&models + m
	c, v, mask = c.norm(in).decide(v)
	p[i] = prob(v)
	return c, byte(2*m + 1 + mask)
}

// reverse decodes a number of n bits, the lowest bit first.
func (c coder) reverse(in []byte, p []prob, n uint) (coder, uint) {
	m, value := uint(1), uint(0)
	for i := range n {
		var mask uint
		c, mask = c.norm(in).step(&p[m])
		m = 2*m + 1 + mask
		value |= (1 + mask) << i
	}
	return c, value
}

// direct decodes a number of n bits that are all equally probable.
func (c coder) direct(in []byte, n uint) (coder, uint) {
	value := uint(0)
	for range n {
		c = c.norm(in)
		c.rng >>= 1
		_, borrow := bits.Sub(c.code, c.rng, 0)
		mask := -borrow
		c.code -= c.rng &^ mask
		value = 2*value + 1 + mask
	}
	return c, value
}

// length decodes the length of a match.
func (c coder) length(in []byte, l *lengths, posState uint) (coder, int) {
	c, mask := c.norm(in).step(&l.choice)
	var m uint
	if mask != 0 {
		c, m = c.tree(in, l.low[posState][:], 8)
		return c, int(m) - 8 + matchMin
	}
	c, mask = c.norm(in).step(&l.choice2)
	if mask != 0 {
		c, m = c.tree(in, l.mid[posState][:], 8)
		return c, int(m) + matchMin
	}
	c, m = c.tree(in, l.high[:], 256)
	return c, int(m) - 256 + 16 + matchMin
}

// distance decodes how far back a match of that length lies, less one.
func (c coder) distance(in []byte, d *lzma, length int) (coder, uint32) {
	c, slot := c.tree(in, d.slots[min(length-matchMin, 3)][:], 64)
	slot -= 64
	if slot < 4 {
		return c, uint32(slot)
	}
	n := slot/2 - 1 // bits behind the two that the slot stands for
	dist := (2 | slot&1) << n
	var low uint
	if slot < 14 {
		c, low = c.reverse(in, d.special[slot-4][:], n)
		return c, uint32(dist + low)
	}
	var high uint
	c, high = c.direct(in, n-4)
	c, low = c.reverse(in, d.align[:], 4)
	return c, uint32(dist + high<<4 + low)
}

// repeat decodes a match at one of the last four distances, which it puts in
// front of the others. A length of 1 is the special case of a single byte.
func (c coder) repeat(in []byte, d *lzma, state uint32, posState uint) (coder, int) {
	r := &d.rep
	c, mask := c.norm(in).step(&d.isRep0[state])
	if mask != 0 {
		if c, mask = c.norm(in).step(&d.isLong[state][posState]); mask != 0 {
			return c, 1
		}
	} else if c, mask = c.norm(in).step(&d.isRep1[state]); mask != 0 {
		r[0], r[1] = r[1], r[0]
	} else if c, mask = c.norm(in).step(&d.isRep2[state]); mask != 0 {
		r[0], r[1], r[2] = r[2], r[0], r[1]
	} else {
		r[0], r[1], r[2], r[3] = r[3], r[0], r[1], r[2]
	}
	return c.length(in, &d.repLen, posState)
}

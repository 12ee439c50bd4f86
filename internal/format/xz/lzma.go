package xz

import "encoding/binary"

// This file decodes LZMA, the entropy coding inside xz, from one slice into
// another that also serves as the dictionary.

// A prob is the probability that a decision is 0, of 2048.
type prob = uint16

const (
	probInit = 1024
	topValue = 1 << 24 // range is at least this before each decision

	maxPosStates = 16
	litSize      = 0x300
	maxLit       = litSize << 4 // lc+lp is at most 4
	states       = 12
	matchMin     = 2
	matchStates  = 7 // states below this follow a literal

	// inputSlack is how far behind the end of its input a damaged chunk may
	// make the decoder read before it notices: a byte for each decision of
	// one match.
	inputSlack = 64
)

// A lengths is the model of the lengths of matches.
type lengths struct {
	choice, choice2 prob
	low, mid        [maxPosStates][8]prob
	high            [256]prob
}

// An lzma is the state of a decoder between two chunks.
type lzma struct {
	// out holds what has been decoded, up to pos, and room for the rest.
	out []byte
	pos int
	// base is where in out the dictionary starts, dict how far back a match
	// may reach.
	base int
	dict uint32
	// needDict and needProps are what the next chunk of LZMA2 has to bring.
	needDict, needProps bool

	lc       uint   // bits of the byte before that choose a literal's model
	lpMask   uint32 // bits of the position that do
	pbMask   uint32 // bits of the position that choose other models
	state    uint32 // what the last symbols were
	rep      [4]uint32
	lit      [maxLit]prob
	isMatch  [states][maxPosStates]prob
	isRep    [states]prob
	isRep0   [states]prob
	isRep1   [states]prob
	isRep2   [states]prob
	isLong   [states][maxPosStates]prob
	slots    [4][64]prob
	special  [10][32]prob // by distance slot; of 4 to 13
	align    [16]prob
	matchLen lengths
	repLen   lengths
}

// reset makes all probabilities even.
func (d *lzma) reset() {
	d.state = 0
	d.rep = [4]uint32{}
	fill(d.lit[:])
	for i := range states {
		fill(d.isMatch[i][:])
		fill(d.isLong[i][:])
	}
	fill(d.isRep[:])
	fill(d.isRep0[:])
	fill(d.isRep1[:])
	fill(d.isRep2[:])
	for i := range d.slots {
		fill(d.slots[i][:])
	}
	for i := range d.special {
		fill(d.special[i][:])
	}
	fill(d.align[:])
	for _, l := range []*lengths{&d.matchLen, &d.repLen} {
		l.choice, l.choice2 = probInit, probInit
		for i := range l.low {
			fill(l.low[i][:])
			fill(l.mid[i][:])
		}
		fill(l.high[:])
	}
}

func fill(p []prob) {
	for i := range p {
		p[i] = probInit
	}
}

// props sets the three parameters of the models from their common byte.
func (d *lzma) props(b byte) bool {
	if b > (4*5+4)*9+8 {
		return false
	}
	lc, lp, pb := b%9, b/9%5, b/45
	if lc+lp > 4 {
		return false
	}
	d.lc, d.lpMask, d.pbMask = uint(lc), 1<<lp-1, 1<<pb-1
	return true
}

// chunk decodes size bytes from the first n bytes of in, behind which there
// are inputSlack more; out has room for them and copySlack more. It returns
// false if the chunk is damaged.
func (d *lzma) chunk(in []byte, n, size int) bool {
	if n < 5 {
		return false
	}
	const rangeInit = 1<<32 - 1
	c := coder{rangeInit, uint(binary.BigEndian.Uint32(in[1:])), 5}
	if c.code == rangeInit {
		return false // code is always less than range
	}
	c, ok := d.symbols(c, in, n, d.pos+size)
	c = c.norm(in)
	return ok && c.pos == n && c.code == 0
}

// symbols decodes until pos is end, behind which there is room for copySlack.
// It returns false if the data is damaged; an end mark is damage as well.
func (d *lzma) symbols(c coder, in []byte, n, end int) (coder, bool) {
	out, pos, state := d.out, d.pos, d.state
	for pos < end {
		if c.pos > n {
			return c, false
		}
		at := uint32(pos - d.base)
		posState := uint(at & d.pbMask)
		var mask uint
		c, mask = c.norm(in).step(&d.isMatch[state][posState])
		if mask != 0 {
			var last byte
			if at > 0 {
				last = out[pos-1]
			}
			model := (at&d.lpMask)<<d.lc + uint32(last)>>(8-d.lc)
			p := (*[litSize]prob)(d.lit[model*litSize:])
			if state < matchStates {
				c, last = c.literal(in, p)
			} else {
				c, last = c.matched(in, p, out[pos-1-int(d.rep[0])])
			}
			out[pos] = last
			pos++
			state = afterLiteral[state]
			continue
		}
		var length int
		c, mask = c.norm(in).step(&d.isRep[state])
		if mask != 0 {
			c, length = c.length(in, &d.matchLen, posState)
			d.rep[3], d.rep[2], d.rep[1] = d.rep[2], d.rep[1], d.rep[0]
			c, d.rep[0] = c.distance(in, d, length)
			state = afterMatch(state, 7)
		} else if c, length = c.repeat(in, d, state, posState); length == 1 {
			state = afterMatch(state, 9)
		} else {
			state = afterMatch(state, 8)
		}
		rep := d.rep[0]
		if rep >= at || rep >= d.dict || length > end-pos {
			d.pos = pos
			return c, false
		}
		copyMatch(out, pos, int(rep)+1, length)
		pos += length
	}
	d.pos, d.state = pos, state
	return c, true
}

// afterLiteral is the state that follows each state and a literal.
var afterLiteral = [states]uint32{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5}

// afterMatch returns the state that follows state and a match: next, or the
// one three further on if it did not follow a literal.
func afterMatch(state, next uint32) uint32 {
	if state >= matchStates {
		return min(next+3, 11)
	}
	return next
}

package kernelabi

import (
	"encoding/binary"
	"errors"
)

var errLZMA = errors.New("lzma: damaged stream")

// lzmaHead is the length of an .lzma file's header: properties, dictionary size, size of the content.
const lzmaHead = 13

// isLZMA recognizes the header of an .lzma file as xz and the kernel's build write it.
func isLZMA(b []byte) bool {
	if len(b) < lzmaHead+5 || b[0] != 0x5d || b[lzmaHead] != 0 {
		return false
	}
	dict := binary.LittleEndian.Uint32(b[1:])
	size := binary.LittleEndian.Uint64(b[5:])
	return dict >= 1<<12 && dict&(dict-1) == 0 && (size == ^uint64(0) || size < 1<<32)
}

// lzma is the state of a decoder. The output is its dictionary.
type lzma struct {
	src         []byte
	rng, code   uint32
	bad         bool // the input ended early
	lc, lp, pb  uint
	out         []byte
	rep         [4]int
	state       int
	isMatch     [12][16]uint16
	isRep       [12]uint16
	isRepG0     [12]uint16
	isRepG1     [12]uint16
	isRepG2     [12]uint16
	isRep0Long  [12][16]uint16
	slot        [4][64]uint16
	special     [115]uint16
	align       [16]uint16
	length, rel lzmaLength
	literal     []uint16
}

type lzmaLength struct {
	choice, choice2 uint16
	low, mid        [16][8]uint16
	high            [256]uint16
}

// expandLZMA expands an .lzma stream, with or without the size in its header.
func expandLZMA(src []byte, limit int) ([]byte, error) {
	if !isLZMA(src) {
		return nil, errLZMA
	}
	size := binary.LittleEndian.Uint64(src[5:])
	p := uint(src[0])
	d := &lzma{src: src[lzmaHead+5:], rng: ^uint32(0), code: binary.BigEndian.Uint32(src[lzmaHead+1:])}
	d.lc, d.lp, d.pb = p%9, p/9%5, p/45
	d.literal = make([]uint16, 0x300<<(d.lc+d.lp))
	d.reset()
	if size != ^uint64(0) {
		limit = int(min(uint64(limit), size))
	}
	if err := d.run(limit, size != ^uint64(0) && size == uint64(limit)); err != nil {
		return nil, err
	}
	return d.out, nil
}

// reset sets every probability to one half.
func (d *lzma) reset() {
	half := func(ps ...[]uint16) {
		for _, p := range ps {
			for i := range p {
				p[i] = 1 << 10
			}
		}
	}
	for i := range d.isMatch {
		half(d.isMatch[i][:], d.isRep0Long[i][:])
	}
	for i := range d.slot {
		half(d.slot[i][:])
	}
	half(d.isRep[:], d.isRepG0[:], d.isRepG1[:], d.isRepG2[:], d.special[:], d.align[:], d.literal)
	for _, l := range []*lzmaLength{&d.length, &d.rel} {
		l.choice, l.choice2 = 1<<10, 1<<10
		half(l.high[:])
		for i := range l.low {
			half(l.low[i][:], l.mid[i][:])
		}
	}
}

// normalize keeps the range wide enough for the next bit.
func (d *lzma) normalize() {
	if d.rng < 1<<24 {
		if len(d.src) == 0 {
			d.bad = true
			return
		}
		d.rng <<= 8
		d.code = d.code<<8 | uint32(d.src[0])
		d.src = d.src[1:]
	}
}

// bit decodes one bit and teaches its probability.
func (d *lzma) bit(p *uint16) int {
	d.normalize()
	bound := d.rng >> 11 * uint32(*p)
	if d.code < bound {
		d.rng = bound
		*p += (1<<11 - *p) >> 5
		return 0
	}
	d.rng -= bound
	d.code -= bound
	*p -= *p >> 5
	return 1
}

// direct decodes n bits of equal chance.
func (d *lzma) direct(n int) int {
	v := 0
	for ; n > 0; n-- {
		d.normalize()
		d.rng >>= 1
		v <<= 1
		if d.code >= d.rng {
			d.code -= d.rng
			v |= 1
		}
	}
	return v
}

// tree decodes n bits, the highest first, each with a probability of its own.
func (d *lzma) tree(p []uint16, n int) int {
	m := 1
	for range n {
		m = m<<1 | d.bit(&p[m])
	}
	return m - 1<<n
}

// reverse decodes n bits, the lowest first.
func (d *lzma) reverse(p []uint16, n int) int {
	m, v := 1, 0
	for i := range n {
		b := d.bit(&p[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

func (d *lzma) matchLength(l *lzmaLength, pos int) int {
	switch {
	case d.bit(&l.choice) == 0:
		return 2 + d.tree(l.low[pos][:], 3)
	case d.bit(&l.choice2) == 0:
		return 10 + d.tree(l.mid[pos][:], 3)
	}
	return 18 + d.tree(l.high[:], 8)
}

// distance decodes how far back a match begins, less one.
func (d *lzma) distance(n int) int {
	slot := d.tree(d.slot[min(n-2, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	bits := slot>>1 - 1
	dist := (2 | slot&1) << bits
	if slot < 14 {
		// The trees of these slots lie in one table, each one short of its unused first entry.
		at := dist - slot
		m := 1
		for i := range bits {
			b := d.bit(&d.special[at+m])
			m = m<<1 | b
			dist += b << i
		}
		return dist
	}
	dist += d.direct(bits-4) << 4
	return dist + d.reverse(d.align[:], 4)
}

// putLiteral decodes one byte.
func (d *lzma) putLiteral() {
	prev, at := 0, len(d.out)
	if at > 0 {
		prev = int(d.out[at-1])
	}
	ctx := (at&(1<<d.lp-1))<<d.lc + prev>>(8-d.lc)
	p := d.literal[0x300*ctx : 0x300*(ctx+1)]
	m := 1
	if d.state >= 7 { // after a match the byte it would have gone on with is a hint
		hint := int(d.out[at-d.rep[0]-1])
		for m < 0x100 {
			h := hint >> 7 & 1
			hint <<= 1
			b := d.bit(&p[(1+h)<<8+m])
			m = m<<1 | b
			if b != h {
				break
			}
		}
	}
	for m < 0x100 {
		m = m<<1 | d.bit(&p[m])
	}
	d.out = append(d.out, byte(m))
	switch {
	case d.state < 4:
		d.state = 0
	case d.state < 10:
		d.state -= 3
	default:
		d.state -= 6
	}
}

// run decodes until the end mark or, if the size is known, that many bytes.
func (d *lzma) run(limit int, sized bool) error {
	for {
		if sized && len(d.out) == limit {
			return nil
		}
		if d.bad {
			return errLZMA
		}
		pos := len(d.out) & (1<<d.pb - 1)
		if d.bit(&d.isMatch[d.state][pos]) == 0 {
			if len(d.out) >= limit {
				return errLZMA
			}
			d.putLiteral()
			continue
		}
		n, done := d.match(pos)
		if done {
			if d.bad {
				return errLZMA
			}
			return nil
		}
		back := d.rep[0] + 1
		if back <= 0 || back > len(d.out) || n > limit-len(d.out) {
			return errLZMA
		}
		for n > 0 {
			k := min(n, back)
			d.out = append(d.out, d.out[len(d.out)-back:len(d.out)-back+k]...)
			n -= k
		}
	}
}

// match decodes a match's length and leaves its distance in rep[0]; done reports the end mark.
func (d *lzma) match(pos int) (n int, done bool) {
	low := d.state < 7
	next := func(ifLow, ifHigh int) {
		if d.state = ifHigh; low {
			d.state = ifLow
		}
	}
	if d.bit(&d.isRep[d.state]) == 0 {
		d.rep[3], d.rep[2], d.rep[1] = d.rep[2], d.rep[1], d.rep[0]
		n = d.matchLength(&d.length, pos)
		d.rep[0] = d.distance(n)
		next(7, 10)
		return n, uint32(d.rep[0]) == ^uint32(0)
	}
	switch {
	case d.bit(&d.isRepG0[d.state]) == 0:
		if d.bit(&d.isRep0Long[d.state][pos]) == 0 {
			next(9, 11)
			return 1, false
		}
	case d.bit(&d.isRepG1[d.state]) == 0:
		d.rep[0], d.rep[1] = d.rep[1], d.rep[0]
	case d.bit(&d.isRepG2[d.state]) == 0:
		d.rep[0], d.rep[1], d.rep[2] = d.rep[2], d.rep[0], d.rep[1]
	default:
		d.rep[0], d.rep[1], d.rep[2], d.rep[3] = d.rep[3], d.rep[0], d.rep[1], d.rep[2]
	}
	n = d.matchLength(&d.rel, pos)
	next(8, 11)
	return n, false
}

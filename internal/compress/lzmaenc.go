//go:build !kmod_noxz

package compress

import "math/bits"

// This file encodes LZMA in chunks of LZMA2. What comes before and how much a match saves is only estimated; xz
// itself, which computes it, gets about a tenth more out of kernel modules in three times the time.

// An lzmaEncoder is the state of the encoder between two chunks. The models are those of the decoder.
type lzmaEncoder struct {
	lzma
	rangeEncoder
	fresh byte // what the next chunk has to reset: the control bits of its header
	size  int64
}

// A rangeEncoder is the arithmetic encoder: it narrows a range by the probability of each decision.
type rangeEncoder struct {
	bytes   []byte
	low     uint64
	rng     uint32
	cache   byte // the byte before those that are all ones
	pending int  // how many bytes a carry would change
}

const (
	chunkStored  = 1        // control byte of a chunk that is not compressed and resets the dictionary
	chunkLZMA    = 1 << 7   // control bit of one that is
	chunkState   = 1 << 5   // resets the models
	chunkProps   = 2 << 5   // the same, and has their parameters
	chunkAll     = 3 << 5   // the same, and resets the dictionary
	chunkMax     = 1 << 16  // bytes in a chunk
	chunkFullMax = 1 << 21  // expanded
	lzmaProps    = 2*45 + 3 // lc 3, lp 0, pb 2
)

func newLZMAEncoder() *lzmaEncoder {
	e := &lzmaEncoder{fresh: chunkAll}
	e.props(lzmaProps)
	return e
}

// block appends a chunk. It takes less than blockAhead by twice matchMax, so that what it makes does not depend on how much
// more there is.
func (e *lzmaEncoder) block(f *finder, out []byte) []byte {
	start := f.pos
	end := min(len(f.buf), start+blockAhead-2*matchMax)
	if e.fresh != 0 {
		e.reset()
	}
	e.rangeEncoder = rangeEncoder{bytes: e.bytes[:0], rng: 1<<32 - 1, pending: 1}
	for f.pos < end && len(e.bytes)+e.pending < chunkMax-64 {
		e.symbol(f)
	}
	for range 5 {
		e.shift()
	}
	data := f.buf[start:f.pos]
	e.size += int64(len(data))
	if len(e.bytes) >= len(data) {
		for ; len(data) > 0; data = data[min(len(data), chunkMax):] {
			n := min(len(data), chunkMax)
			control := byte(chunkStored)
			if e.fresh != chunkAll {
				control++
			}
			out = append(out, control, byte((n-1)>>8), byte(n-1))
			out = append(out, data[:n]...)
			if e.fresh == chunkAll {
				e.fresh = chunkProps
			}
		}
		e.fresh = max(e.fresh, chunkState)
		return out
	}
	n, m := len(data)-1, len(e.bytes)-1
	out = append(out, chunkLZMA|e.fresh|byte(n>>16), byte(n>>8), byte(n), byte(m>>8), byte(m))
	if e.fresh >= chunkProps {
		out = append(out, lzmaProps)
	}
	e.fresh = 0
	return append(out, e.bytes...)
}

// symbol encodes what comes next, a literal or a match.
func (e *lzmaEncoder) symbol(f *finder) {
	i := f.pos
	at := f.base + uint32(i)
	posState := at & e.pbMask
	length, rep, dist := e.choose(f, i)
	if length > 0 && length < matchMax {
		// One or two bytes later there may be a better match.
		g := e.saves(length, rep, dist)
		for ahead := 1; ahead <= 2; ahead++ {
			if n, r, d := e.choose(f, i+ahead); n > 0 && e.saves(n, r, d) > g+4*ahead {
				length = 0
				break
			}
		}
	}
	model := &e.isMatch[e.state][posState]
	if length == 0 {
		if e.short(f, i) {
			e.bit(model, 1)
			e.bit(&e.isRep[e.state], 1)
			e.bit(&e.isRep0[e.state], 0)
			e.bit(&e.isLong[e.state][posState], 0)
			e.state = afterMatch(e.state, 9)
		} else {
			e.bit(model, 0)
			e.literal(f, i)
		}
		f.pos++
		return
	}
	e.bit(model, 1)
	if rep >= 0 {
		e.bit(&e.isRep[e.state], 1)
		e.repeat(rep, posState)
		e.length(&e.repLen, length, posState)
		e.state = afterMatch(e.state, 8)
	} else {
		e.bit(&e.isRep[e.state], 0)
		e.length(&e.matchLen, length, posState)
		e.distance(uint32(dist-1), length)
		e.rep = [4]uint32{uint32(dist - 1), e.rep[0], e.rep[1], e.rep[2]}
		e.state = afterMatch(e.state, 7)
	}
	f.pos += length
}

// choose returns the best match at i, by what it saves. rep is which of the last distances it has, or -1.
func (e *lzmaEncoder) choose(f *finder, i int) (length, rep, dist int) {
	length, dist = f.find(i)
	rep = -1
	best := 0
	if length > 0 {
		best = e.saves(length, -1, dist)
	}
	here := f.buf[i:min(len(f.buf), i+matchMax)]
	for r, d := range e.rep {
		if back := i - int(d) - 1; back >= 0 {
			if n := common(here, f.buf[back:]); n >= 2 {
				if g := e.saves(n, r, int(d)+1); g > best {
					length, rep, dist, best = n, r, int(d)+1, g
				}
			}
		}
	}
	if best <= 0 {
		return 0, -1, 0
	}
	return length, rep, dist
}

// saves is about how many quarters of a bit a match saves.
func (e *lzmaEncoder) saves(length, rep, dist int) int {
	if rep >= 0 {
		return 22*length - 16 - 4*rep
	}
	return gain(length, dist)
}

// short reports whether the byte at i is the one at the last distance.
func (e *lzmaEncoder) short(f *finder, i int) bool {
	back := i - int(e.rep[0]) - 1
	return back >= 0 && f.buf[i] == f.buf[back]
}

// shift moves the highest byte of low out.
func (e *rangeEncoder) shift() {
	if uint32(e.low) < 0xff<<24 || e.low>>32 != 0 {
		carry := byte(e.low >> 32)
		b := e.cache
		for ; e.pending > 0; e.pending-- {
			e.bytes = append(e.bytes, b+carry)
			b = 0xff
		}
		e.cache = byte(e.low >> 24)
	}
	e.pending++
	e.low = e.low << 8 & 0xffffffff
}

// bit encodes a decision.
func (e *rangeEncoder) bit(p *prob, b uint32) {
	v := uint32(*p)
	bound := e.rng >> 11 * v
	if b == 0 {
		e.rng = bound
		*p = prob(v + (2048-v)>>5)
	} else {
		e.low += uint64(bound)
		e.rng -= bound
		*p = prob(v - v>>5)
	}
	if e.rng < topValue {
		e.rng <<= 8
		e.shift()
	}
}

// tree encodes a number of n bits, the highest first.
func (e *rangeEncoder) tree(p []prob, value, n uint32) {
	m := uint32(1)
	for n > 0 {
		n--
		b := value >> n & 1
		e.bit(&p[m], b)
		m = 2*m + b
	}
}

// reverse encodes a number of n bits, the lowest first.
func (e *rangeEncoder) reverse(p []prob, value, n uint32) {
	m := uint32(1)
	for range n {
		b := value & 1
		value >>= 1
		e.bit(&p[m], b)
		m = 2*m + b
	}
}

// direct encodes n bits that are all equally probable.
func (e *rangeEncoder) direct(value, n uint32) {
	for n > 0 {
		n--
		e.rng >>= 1
		if value>>n&1 != 0 {
			e.low += uint64(e.rng)
		}
		if e.rng < topValue {
			e.rng <<= 8
			e.shift()
		}
	}
}

// literal encodes the byte at i.
func (e *lzmaEncoder) literal(f *finder, i int) {
	var last byte
	if i > 0 {
		last = f.buf[i-1]
	}
	p := (*[litSize]prob)(e.lit[int(last>>(8-e.lc))*litSize:])
	if e.state < matchStates {
		e.tree(p[:0x100], uint32(f.buf[i]), 8)
	} else {
		like := uint32(f.buf[i-1-int(e.rep[0])])
		offset, m := uint32(0x100), uint32(1)
		for n := 7; n >= 0; n-- {
			like <<= 1
			b := uint32(f.buf[i]) >> n & 1
			e.bit(&p[offset+like&offset+m], b)
			m = 2*m + b
			if like>>8&1 != b {
				offset = 0
			}
		}
	}
	e.state = afterLiteral[e.state]
}

// length encodes the length of a match.
func (e *lzmaEncoder) length(l *lengths, n int, posState uint32) {
	switch v := uint32(n - matchMin); {
	case v < 8:
		e.bit(&l.choice, 0)
		e.tree(l.low[posState][:], v, 3)
	case v < 16:
		e.bit(&l.choice, 1)
		e.bit(&l.choice2, 0)
		e.tree(l.mid[posState][:], v-8, 3)
	default:
		e.bit(&l.choice, 1)
		e.bit(&l.choice2, 1)
		e.tree(l.high[:], v-16, 8)
	}
}

// distance encodes how far back a match lies, less one.
func (e *lzmaEncoder) distance(dist uint32, length int) {
	slot, n := dist, uint32(0)
	if dist >= 4 {
		n = uint32(bits.Len32(dist)) - 2
		slot = 2*n + dist>>n
	}
	e.tree(e.slots[min(length-matchMin, 3)][:], slot, 6)
	switch low := dist & (1<<n - 1); {
	case slot < 4:
	case slot < 14:
		e.reverse(e.special[slot-4][:], low, n)
	default:
		e.direct(low>>4, n-4)
		e.reverse(e.align[:], low&15, 4)
	}
}

// repeat encodes which of the last distances a match has, and puts it in front.
func (e *lzmaEncoder) repeat(rep int, posState uint32) {
	s, r := e.state, &e.rep
	if rep == 0 {
		e.bit(&e.isRep0[s], 0)
		e.bit(&e.isLong[s][posState], 1)
		return
	}
	e.bit(&e.isRep0[s], 1)
	if rep == 1 {
		e.bit(&e.isRep1[s], 0)
	} else {
		e.bit(&e.isRep1[s], 1)
		e.bit(&e.isRep2[s], uint32(rep-2))
	}
	d := r[rep]
	copy(r[1:rep+1], r[:rep])
	r[0] = d
}

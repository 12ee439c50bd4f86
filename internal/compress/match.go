package compress

import (
	"encoding/binary"
	"math/bits"
)

// A finder holds what is to be compressed as LZMA and finds what of it came before: positions with the same hash of four bytes
// are linked, the last one first.
type finder struct {
	buf   []byte                // the window, what is to be compressed, and room
	pos   int                   // in buf, of what is to be compressed
	base  uint32                // how far buf[0] is from the beginning of all
	next  int                   // in buf, of the first position that has no link
	heads [1 << hashBits]uint32 // by hash: distance from the beginning, plus one
	near  [1 << nearBits]uint32 // the same for three bytes
	links []uint32              // by position, of the one before with the same hash
	found [4]found              // by position, what find said last
}

// found is a match for the position that is at-1 from the beginning.
type found struct {
	at           uint32
	length, dist int
}

const (
	windowBits = 23 // a match may reach back 8 MiB
	windowSize = 1 << windowBits
	hashBits   = 18
	nearBits   = 14
	slideSize  = 2 << 20 // what is gathered before the window moves
	matchMax   = 273     // the longest match in LZMA
	tries      = 40      // links followed for a match
)

// fill takes as much of p as there is room for. The window moves if the buffer is full.
func (f *finder) fill(p []byte) (n int) {
	const full = windowSize + slideSize
	if len(f.buf) == full && f.pos > windowSize {
		n := f.pos - windowSize
		f.buf = f.buf[:copy(f.buf, f.buf[n:])]
		f.pos, f.next = windowSize, f.next-n
		f.base += uint32(n)
		if f.base > 1<<31 { // before positions overflow, all is forgotten
			clear(f.heads[:])
			clear(f.near[:])
			clear(f.found[:])
			f.base = 0
		}
	}
	n = min(len(p), full-len(f.buf))
	f.buf = append(f.buf, p[:n]...)
	if k := min(len(f.buf)+1, windowSize) - len(f.links); k > 0 {
		f.links = append(f.links, make([]uint32, k)...)
	}
	return n
}

// link enters all positions before i.
func (f *finder) link(i int) {
	for i = min(i, len(f.buf)-4); f.next < i; f.next++ {
		v := binary.LittleEndian.Uint32(f.buf[f.next:])
		at := f.base + uint32(f.next) + 1
		h := v * 0x9e3779b1 >> (32 - hashBits)
		f.links[at&(windowSize-1)] = f.heads[h]
		f.heads[h] = at
		f.near[v<<8*0x9e3779b1>>(32-nearBits)] = at
	}
}

// find returns the match for position i that saves most, by an estimate: its length, and how far back it is. Matches
// of less than three bytes are not looked for. Positions must be asked for in ascending order, but for the last few.
func (f *finder) find(i int) (length, dist int) {
	if len(f.buf)-i < 4 {
		return 0, 0
	}
	at := f.base + uint32(i) + 1
	m := &f.found[at%uint32(len(f.found))]
	if m.at != at {
		m.at = at
		m.length, m.dist = f.search(i)
	}
	return m.length, m.dist
}

// search does the work of find.
func (f *finder) search(i int) (length, dist int) {
	f.link(i)
	here := f.buf[i:min(len(f.buf), i+matchMax)]
	v := binary.LittleEndian.Uint32(here)
	at := f.base + uint32(i) + 1
	best := 0
	if d := at - f.near[v<<8*0x9e3779b1>>(32-nearBits)]; d < 1<<12 && d <= uint32(i) {
		if n := common(here, f.buf[i-int(d):]); n >= 3 {
			length, dist, best = n, int(d), gain(n, int(d))
		}
	}
	c := f.heads[v*0x9e3779b1>>(32-hashBits)]
	for range tries {
		d := at - c
		if d >= windowSize || d > uint32(i) || c == 0 || length == len(here) {
			break
		}
		there := f.buf[i-int(d):]
		if there[length] == here[length] {
			if n := common(here, there); n > length && n >= 4 {
				if g := gain(n, int(d)); g > best {
					length, dist, best = n, int(d), g
				}
			}
		}
		c = f.links[c&(windowSize-1)]
	}
	return length, dist
}

// gain is about how many quarters of a bit a match saves.
func gain(length, dist int) int { return 22*length - 4*bits.Len32(uint32(dist)) - 32 }

// common returns how many bytes a and b begin with in common, at most all of a. b is not shorter.
func common(a, b []byte) int {
	n := 0
	for ; len(a)-n >= 8; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}

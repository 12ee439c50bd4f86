//go:build !kmod_nozstd

package compress

import (
	"encoding/binary"
	"math/bits"
)

// This file reads the entropy coding of zstd (RFC 8878, 4): what zstdfse.go writes.

// bitsBefore is how many bytes have to be in front of a stream of bits for peek: its end may be read past, and is noticed later.
const bitsBefore = 8

// peek returns the bits below the bit r of a stream that is read from its end, the next one at the top: at least 57, of which those
// below the stream's start mean nothing. src has bitsBefore bytes more in front.
func peek(src []byte, r int) uint64 {
	at := uint(r+7) >> 3
	return binary.LittleEndian.Uint64(src[at:at+8:at+8]) << (-uint(r) & 7)
}

// bitsOf returns how many bits the stream at the end of src has, which the highest bit of its last byte that is set ends. src has
// bitsBefore bytes in front. An empty stream, or one without that bit, has -1.
func bitsOf(src []byte) int {
	n := len(src) - bitsBefore
	if n <= 0 {
		return -1
	}
	mark := bits.Len8(src[len(src)-1])
	if mark == 0 {
		return -1
	}
	return n*8 - 9 + mark
}

// An fseDecoder is a table of states.
type fseDecoder struct {
	// What a state stands for: from the lowest bit on, 8 bits are how many bits are to be added to the number (extra), 8 how many to the
	// next state, 16 are the next state, and 32 the number, or the symbol.
	states [512]uint64
	log    uint8
	set    bool // by this frame
}

// read makes the table for the frequencies that src begins with, of symbols up to most, and returns their length, 0 if they are damaged.
func (t *fseDecoder) read(src []byte, maxLog uint, most int) int {
	var norm [64]int16
	at := 0 // in bits
	next := func(n uint) int {
		var b [8]byte
		if at>>3 < len(src) {
			copy(b[:4], src[at>>3:])
		}
		v := binary.LittleEndian.Uint64(b[:]) >> (at & 7)
		return int(v & (1<<n - 1))
	}
	log := uint(next(4)) + 5
	if at = 4; log > maxLog {
		return 0
	}
	left, threshold, s := 1<<log+1, 1<<log, 0
	for n := log + 1; left > 1 && s <= most; s++ {
		v, limit := next(n), 2*threshold-1-left
		at += int(n)
		if v&(threshold-1) < limit {
			v &= threshold - 1
			at--
		} else if v >= threshold {
			v -= limit
		}
		norm[s] = int16(v - 1)
		if left -= max(v-1, 1-v); v == 1 {
			for run := 3; run == 3; s += run {
				run = next(2)
				at += 2
			}
		}
		for left < threshold && threshold > 1 {
			n--
			threshold >>= 1
		}
	}
	if left != 1 || s > most+1 || (at+7)>>3 > len(src) {
		return 0
	}
	t.build(norm[:min(s, most+1)], log)
	return (at + 7) >> 3
}

// build makes the table for frequencies of 1<<log. One of -1 is less than 1.
func (t *fseDecoder) build(norm []int16, log uint) {
	size := 1 << log
	var next [64]uint16
	t.log, t.set = uint8(log), true
	rare := size - 1
	for s, n := range norm {
		if next[s] = uint16(n); n < 0 {
			next[s] = 1
			t.states[rare&511] = uint64(s)
			rare--
		}
	}
	pos := 0
	for s, n := range norm {
		for range n {
			t.states[pos&511] = uint64(s)
			for pos = (pos + size>>1 + size>>3 + 3) & (size - 1); pos > rare; {
				pos = (pos + size>>1 + size>>3 + 3) & (size - 1)
			}
		}
	}
	for i := range t.states[:size] {
		symbol := t.states[i]
		x := next[symbol&63]
		next[symbol&63]++
		n := log + 1 - uint(bits.Len16(x))
		t.states[i] = symbol<<32 | uint64(x<<n-uint16(size))<<16 | uint64(n)<<8
	}
}

// A zstdCode is what a code stands for: numbers from base on, as many as its extra bits can tell apart.
type zstdCode struct {
	base  uint32
	extra uint8
}

// distanceBits is for distances what literalBits and lengthBits are.
const distanceBits = "0123456789:;<=>?@ABCDEFGHIJKLMNO"

// zstdCodes returns the codes whose table of extra bits codeOf takes; shift is added to all numbers.
func zstdCodes(first int, table string, shift int) []zstdCode {
	codes := make([]zstdCode, first, first+len(table))
	for i := range codes {
		codes[i].base = uint32(i + shift)
	}
	base := uint32(first + shift)
	for i := range table {
		codes = append(codes, zstdCode{base, table[i] - '0'})
		base += 1 << (table[i] - '0')
	}
	return codes
}

// number puts what codes stand for in place of the codes.
func (t *fseDecoder) number(codes []zstdCode) {
	for i := range t.states[:1<<t.log] {
		c := codes[t.states[i]>>32]
		t.states[i] = t.states[i]&(1<<32-1<<8) | uint64(c.base)<<32 | uint64(c.extra)
	}
}

// one makes the table whose only code needs no bits.
func (t *fseDecoder) one(c zstdCode) {
	t.states[0] = uint64(c.base)<<32 | uint64(c.extra)
	t.log, t.set = 0, true
}

// A huffDecoder has for the next maxCode bits the byte that they begin with, in the upper half, and how many of them are its code.
type huffDecoder struct {
	table [1 << maxCode]uint16
	fse   fseDecoder
	set   bool // by this frame
}

// read makes the table for the description that src[at:] begins with and returns its length, 0 if it is damaged.
func (h *huffDecoder) read(src []byte, at int) int {
	var weights [256]uint8
	if at >= len(src) {
		return 0
	}
	n, size := 0, int(src[at])
	if at++; size >= 128 {
		n = size - 127
		if size = (n + 1) / 2; size > len(src)-at {
			return 0
		}
		for i := range n {
			weights[i] = src[at+i/2] >> (4 &^ (i << 2)) & 15
		}
	} else if size > len(src)-at {
		return 0
	} else if n = h.weights(&weights, src[:at+size], at); n == 0 {
		return 0
	}
	var ranks [16]int
	sum := 0
	for _, w := range weights[:n] {
		ranks[w]++
		sum += 1 << w >> 1
	}
	longest := bits.Len(uint(sum))
	last := 1<<longest - sum
	if sum == 0 || longest > maxCode || last&(last-1) != 0 {
		return 0
	}
	weights[n] = uint8(bits.Len(uint(last)))
	ranks[weights[n]]++
	if ranks[1] < 2 || ranks[1]&1 != 0 {
		return 0
	}
	pos := 0
	var start [16]int
	for w := 1; w <= longest; w++ {
		start[w] = pos
		pos += ranks[w] << (w - 1 + maxCode - longest)
	}
	for s, w := range weights[:n+1] {
		if w == 0 {
			continue
		}
		k := 1 << (int(w) - 1 + maxCode - longest)
		run := h.table[start[w] : start[w]+k]
		start[w] += k
		e := uint16(s<<8 | (longest + 1 - int(w)))
		for i := range run {
			run[i] = e
		}
	}
	h.set = true
	return 1 + size
}

// weights reads weights that are coded by finite state entropy and returns how many there are, 0 if they are damaged.
func (h *huffDecoder) weights(w *[256]uint8, src []byte, at int) int {
	t := &h.fse
	n := t.read(src[at:], 6, maxCode+1)
	if n == 0 {
		return 0
	}
	src = src[at+n-bitsBefore:]
	r := bitsOf(src)
	take := func(k uint8) int {
		v := peek(src, r) >> 1 >> (63 - k&63)
		r -= int(k)
		return int(v)
	}
	var states [2]int
	for i := range states {
		if r < int(t.log) {
			return 0
		}
		states[i] = take(t.log)
	}
	for i := 0; i < 254; i++ {
		e := t.states[states[i&1]&511]
		w[i] = uint8(e >> 32)
		if r < int(e>>8&15) { // the end; the other state is still to be told
			if r != 0 {
				return 0
			}
			w[i+1] = uint8(t.states[states[i&1^1]&511] >> 32)
			return i + 2
		}
		states[i&1] = int(e>>16&511) + take(uint8(e>>8&15))
	}
	return 0
}

// A huffStream is what one of the streams is to be expanded to, and from.
type huffStream struct {
	out []byte
	src []byte // and bitsBefore bytes in front
	r   int    // bits left
}

// symbols expands streams at the same time, so that the processor need not wait for one of them. All have to end together with their
// output. The last is the shortest.
func (h *huffDecoder) symbols(streams []huffStream) bool {
	at := 0
	for n := len(streams[len(streams)-1].out) - 5; at <= n; at += 5 {
		for i := range streams {
			s := &streams[i]
			if s.r < 0 {
				return false
			}
			x := peek(s.src, s.r)
			out := s.out[at : at+5 : at+5]
			a := h.table[x>>(64-maxCode)]
			x <<= a & 63
			b := h.table[x>>(64-maxCode)]
			x <<= b & 63
			c := h.table[x>>(64-maxCode)]
			x <<= c & 63
			d := h.table[x>>(64-maxCode)]
			x <<= d & 63
			e := h.table[x>>(64-maxCode)]
			out[0], out[1], out[2], out[3], out[4] = byte(a>>8), byte(b>>8), byte(c>>8), byte(d>>8), byte(e>>8)
			s.r -= int((a + b + c + d + e) & 0xff)
		}
	}
	for i := range streams {
		s := &streams[i]
		for j := at; j < len(s.out); j++ {
			if s.r < 0 {
				return false
			}
			e := h.table[peek(s.src, s.r)>>(64-maxCode)]
			s.out[j] = byte(e >> 8)
			s.r -= int(e & 0xff)
		}
		if s.r != 0 {
			return false
		}
	}
	return true
}

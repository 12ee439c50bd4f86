package compress

import (
	"encoding/binary"
	"math/bits"
)

// This file is the entropy coding of zstd (RFC 8878): bits, written for a reader that begins at their end, tables of
// finite state entropy, and Huffman codes.

// A bitWriter appends bits, the lowest first.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint // of bits; less than 32 between calls
}

// add appends the lowest n bits of v, which has no others. n is at most 32.
func (b *bitWriter) add(v uint64, n uint) {
	b.bits |= v << b.n
	if b.n += n; b.n >= 32 {
		b.out = binary.LittleEndian.AppendUint32(b.out, uint32(b.bits))
		b.bits >>= 32
		b.n -= 32
	}
}

// end fills the last byte with zeros.
func (b *bitWriter) end() []byte {
	for n := uint(0); n < b.n; n += 8 {
		b.out = append(b.out, byte(b.bits>>n))
	}
	return b.out
}

// close marks where a reader has to begin.
func (b *bitWriter) close() []byte {
	b.add(1, 1)
	return b.end()
}

// An fseTable encodes symbols by their frequencies, which are norm of 1<<log.
type fseTable struct {
	log     uint
	norm    []int
	states  []uint32
	symbols []fseSymbol
}

// fseSymbol says how a symbol changes the state.
type fseSymbol struct {
	bits uint32 // number of bits to write, in the upper half, less what depends on the state
	find int32  // where its states begin
}

// normalize scales counts of symbols, of which there are at least two kinds, to a sum of 1<<log, none to 0.
func normalize(counts []int, log uint) []int {
	total := 0
	for _, c := range counts {
		total += c
	}
	norm := make([]int, len(counts))
	left := 1 << log
	for i, c := range counts {
		if c > 0 {
			norm[i] = max(1, c<<log/total)
			left -= norm[i]
		}
	}
	for left != 0 { // what rounding has left, or taken, belongs to the most frequent ones
		most := 0
		for i, n := range norm {
			if n > norm[most] {
				most = i
			}
		}
		change := max(left, -(norm[most]+1)/2)
		norm[most] += change
		left -= change
	}
	for len(norm) > 0 && norm[len(norm)-1] == 0 {
		norm = norm[:len(norm)-1]
	}
	return norm
}

// newFSETable makes the table for symbols with these counts. The reader makes the same from the frequencies.
func newFSETable(counts []int, maxLog uint) *fseTable {
	total, kinds := 0, 0
	for _, c := range counts {
		total += c
		kinds += min(c, 1)
	}
	log := min(maxLog, max(uint(bits.Len(uint(total))), uint(bits.Len(uint(kinds)))+1, 5))
	t := &fseTable{log: log, norm: normalize(counts, log), states: make([]uint32, 1<<log)}
	size := 1 << log
	at := make([]byte, size)
	start := make([]int, len(t.norm))
	pos, sum := 0, 0
	for s, n := range t.norm {
		start[s] = sum
		t.symbols = append(t.symbols, fseSymbol{})
		if n > 0 {
			out := log
			if n > 1 {
				out -= uint(bits.Len(uint(n-1))) - 1
			}
			t.symbols[s] = fseSymbol{uint32(out)<<16 - uint32(n)<<out, int32(sum - n)}
		}
		sum += n
		for range n {
			at[pos] = byte(s)
			pos = (pos + size>>1 + size>>3 + 3) & (size - 1)
		}
	}
	for i, s := range at {
		t.states[start[s]] = uint32(size + i)
		start[s]++
	}
	return t
}

// begin returns the state that stands for a last symbol.
func (t *fseTable) begin(s byte) uint32 {
	d := t.symbols[s]
	out := (d.bits + 1<<15) >> 16
	return t.states[int32((out<<16-d.bits)>>out)+d.find]
}

// encode puts a symbol before those that the state stands for.
func (t *fseTable) encode(b *bitWriter, state uint32, s byte) uint32 {
	d := t.symbols[s]
	out := (state + d.bits) >> 16
	b.add(uint64(state)&(1<<out-1), uint(out))
	return t.states[int32(state>>out)+d.find]
}

// flush writes the state with which the reader begins.
func (t *fseTable) flush(b *bitWriter, state uint32) { b.add(uint64(state)&(1<<t.log-1), t.log) }

// describe appends the frequencies.
func (t *fseTable) describe(out []byte) []byte {
	b := bitWriter{out: out}
	b.add(uint64(t.log-5), 4)
	remaining, threshold, n := 1<<t.log+1, 1<<t.log, t.log+1
	for s := 0; remaining > 1; {
		count := t.norm[s]
		s++
		limit := 2*threshold - 1 - remaining
		remaining -= count
		v := count + 1
		if v >= threshold {
			v += limit
		}
		if v < limit {
			b.add(uint64(v), n-1)
		} else {
			b.add(uint64(v), n)
		}
		for remaining < threshold {
			n--
			threshold >>= 1
		}
		if count == 0 { // how many more of these follow
			run := 0
			for t.norm[s] == 0 {
				s++
				run++
			}
			for ; run >= 3; run -= 3 {
				b.add(3, 2)
			}
			b.add(uint64(run), 2)
		}
	}
	return b.end()
}

// maxCode is the length of the longest Huffman code.
const maxCode = 11

// huffmanLengths returns the length of each byte's code, at most maxCode bits. There are at least two kinds.
func huffmanLengths(counts *[256]int) (lengths [256]uint8) {
	type node struct{ count, left, right int }
	var nodes []node
	var order []int // leaves by count, ascending
	for s, c := range counts {
		if c > 0 {
			order = append(order, s)
		}
	}
	sortBy(order, func(s int) int { return counts[s] })
	for _, s := range order {
		nodes = append(nodes, node{counts[s], -1, s})
	}
	leaves := len(nodes)
	for leaf, inner := 0, leaves; len(nodes) < 2*leaves-1; {
		take := func() int {
			if leaf < leaves && (inner >= len(nodes) || nodes[leaf].count <= nodes[inner].count) {
				leaf++
				return leaf - 1
			}
			inner++
			return inner - 1
		}
		a, b := take(), take()
		nodes = append(nodes, node{nodes[a].count + nodes[b].count, a, b})
	}
	depth := make([]uint8, len(nodes))
	used := 0 // of 1<<maxCode
	for i := len(nodes) - 1; i >= 0; i-- {
		if n := nodes[i]; i >= leaves {
			depth[n.left], depth[n.right] = depth[i]+1, depth[i]+1
		} else {
			lengths[n.right] = min(depth[i], maxCode)
			used += 1 << (maxCode - lengths[n.right])
		}
	}
	for used > 1<<maxCode { // codes that were cut need room: rare ones get longer
		for _, s := range order {
			if l := lengths[s]; l < maxCode && used > 1<<maxCode {
				lengths[s]++
				used -= 1 << (maxCode - l - 1)
			}
		}
	}
	for i := len(order) - 1; i >= 0; i-- { // and frequent ones what is too much of it
		for l := lengths[order[i]]; l > 1 && used+1<<(maxCode-l) <= 1<<maxCode; l-- {
			used += 1 << (maxCode - l)
			lengths[order[i]] = l - 1
		}
	}
	return lengths
}

// sortBy sorts a short list, equal ones as they were.
func sortBy(list []int, key func(int) int) {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && key(list[j]) < key(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// A huffman is a set of codes.
type huffman struct {
	lengths [256]uint8
	codes   [256]uint16
	longest uint8
	last    int // the last byte that has one
}

func newHuffman(counts *[256]int) *huffman {
	h := &huffman{lengths: huffmanLengths(counts)}
	for s, l := range h.lengths {
		if l > 0 {
			h.longest, h.last = max(h.longest, l), s
		}
	}
	next := 0 // the longest codes are the smallest
	for l := h.longest; l > 0; l-- {
		for s, n := range h.lengths {
			if n == l {
				h.codes[s] = uint16(next)
				next++
			}
		}
		next >>= 1
	}
	return h
}

// describe appends the weights of all but the last byte, which follows from them. It fails if there is no way to.
func (h *huffman) describe(out []byte) ([]byte, bool) {
	weights := make([]byte, h.last)
	var counts [maxCode + 2]int
	for s := range weights {
		if l := h.lengths[s]; l > 0 {
			weights[s] = h.longest + 1 - l
		}
		counts[weights[s]]++
	}
	if h.last <= 16 || counts[weights[0]] == len(weights) {
		if h.last > 128 {
			return nil, false
		}
		out = append(out, byte(127+h.last))
		for i := 0; i < len(weights); i += 2 {
			b := weights[i] << 4
			if i+1 < len(weights) {
				b |= weights[i+1]
			}
			out = append(out, b)
		}
		return out, true
	}
	t := newFSETable(counts[:], 6)
	size := len(out)
	b := bitWriter{out: t.describe(append(out, 0))}
	i := len(weights) - 1
	var states [2]uint32 // of the even and the odd ones
	states[i&1] = t.begin(weights[i])
	states[i&1^1] = t.begin(weights[i-1])
	for i -= 2; i >= 0; i-- {
		states[i&1] = t.encode(&b, states[i&1], weights[i])
	}
	t.flush(&b, states[1])
	t.flush(&b, states[0])
	out = b.close()
	out[size] = byte(len(out) - size - 1)
	return out, len(out)-size-1 < 128
}

// stream appends the codes of data.
func (h *huffman) stream(out, data []byte) []byte {
	b := bitWriter{out: out}
	for i := len(data) - 1; i >= 0; i-- {
		b.add(uint64(h.codes[data[i]]), uint(h.lengths[data[i]]))
	}
	return b.close()
}

// streams appends four streams with their sizes in front.
func (h *huffman) streams(out, data []byte) []byte {
	sizes := len(out)
	out = append(out, make([]byte, 6)...)
	quarter := (len(data) + 3) / 4
	for i := range 4 {
		start := len(out)
		out = h.stream(out, data[min(i*quarter, len(data)):min((i+1)*quarter, len(data))])
		if i < 3 {
			binary.LittleEndian.PutUint16(out[sizes+2*i:], uint16(len(out)-start))
		}
	}
	return out
}

package compress

import (
	"io"
	"math/bits"
)

// A zstdEncoder makes blocks of zstd.
type zstdEncoder struct {
	reps     [3]int // the last distances
	literals []byte
	seqs     []sequence
}

// A sequence is some literals and a match.
type sequence struct {
	literals, length int
	offset           int // code of the distance: 1 to 3 for one of the last, or the distance and 3
}

const (
	zstdMagic    = "\x28\xb5\x2f\xfd"
	zstdBlockMax = 128 << 10
	zstdTries    = 2 // links followed for a match: more make it slower and little smaller
)

// NewZstdWriter returns a writer that compresses to w as zstd, with a window of 8 MiB and without a checksum. Close ends the
// stream and leaves w open.
func NewZstdWriter(w io.Writer) io.WriteCloser {
	const window = (windowBits - 10) << 3
	return &blockWriter{
		w: w, f: &finder{tries: zstdTries}, e: &zstdEncoder{reps: [3]int{1, 4, 8}}, out: append([]byte(zstdMagic), 0, window),
		finish: func(out []byte) []byte { return append(out, 1, 0, 0) }, // an empty block, the last one
	}
}

// block appends a block.
func (e *zstdEncoder) block(f *finder, out []byte) []byte {
	data := f.buf[f.pos:min(len(f.buf), f.pos+zstdBlockMax)]
	before := e.reps
	e.split(f, f.pos+len(data))
	start := len(out)
	out = append(out, 0, 0, 0)
	out = e.sequences(e.literalSection(out))
	n, kind := len(out)-start-3, 2
	if n >= len(data) {
		out = append(out[:start+3], data...)
		n, kind, e.reps = len(data), 0, before
	}
	n = n<<3 | kind<<1
	out[start], out[start+1], out[start+2] = byte(n), byte(n>>8), byte(n>>16)
	return out
}

// split cuts what comes up to end into literals and matches.
func (e *zstdEncoder) split(f *finder, end int) {
	e.literals, e.seqs = e.literals[:0], e.seqs[:0]
	from := f.pos
	for f.pos < end {
		length, dist, g := e.choose(f, f.pos, end)
		for ahead := 1; ahead <= 2 && length > 0 && length < 32; ahead++ {
			// One or two bytes later there may be a better match.
			if _, _, later := e.choose(f, f.pos+ahead, end); later > g+20*ahead {
				length = 0
			}
		}
		if length == 0 {
			f.pos++
			continue
		}
		for f.pos > from && f.pos > dist && length < matchMax && f.buf[f.pos-1] == f.buf[f.pos-1-dist] {
			f.pos--
			length++
		}
		e.literals = append(e.literals, f.buf[from:f.pos]...)
		e.seqs = append(e.seqs, sequence{f.pos - from, length, e.offset(dist, f.pos > from)})
		f.pos += length
		from = f.pos
	}
	e.literals = append(e.literals, f.buf[from:end]...)
}

// choose returns the match at i, up to end, that saves most, and about how many quarters of a bit that is.
func (e *zstdEncoder) choose(f *finder, i, end int) (length, dist, saves int) {
	if i+4 > end {
		return 0, 0, 0
	}
	length, dist = f.find(i)
	if length = min(length, end-i); length > 0 {
		saves = gain(length, dist)
	}
	here := f.buf[i:min(end, i+matchMax)]
	for r, d := range e.reps {
		if d <= i {
			if n := common(here, f.buf[i-d:]); n >= 3 {
				if g := 22*n - 28 - 4*r; g > saves {
					length, dist, saves = n, d, g
				}
			}
		}
	}
	if saves <= 0 {
		return 0, 0, 0
	}
	return length, dist, saves
}

// offset returns the code of a distance and remembers it.
func (e *zstdEncoder) offset(dist int, literals bool) int {
	r := &e.reps
	code := dist + 3
	switch {
	case literals && dist == r[0]:
		return 1
	case dist == r[1]:
		r[0], r[1] = r[1], r[0]
		code = 2
	case dist == r[2]:
		r[0], r[1], r[2] = r[2], r[0], r[1]
		code = 3
	case !literals && dist == r[0]-1:
		r[0], r[1], r[2] = dist, r[0], r[1]
		return 3
	default:
		r[0], r[1], r[2] = dist, r[0], r[1]
		return code
	}
	if !literals {
		code-- // then the first of them would make no sense
	}
	return code
}

// literalSection appends the literals, by Huffman codes if that is shorter.
func (e *zstdEncoder) literalSection(out []byte) []byte {
	n := len(e.literals)
	var counts [256]int
	kinds := 0
	for _, c := range e.literals {
		if counts[c]++; counts[c] == 1 {
			kinds++
		}
	}
	if n >= 64 && kinds > 1 {
		h := newHuffman(&counts)
		if packed, ok := h.describe(nil); ok {
			var head uint64
			var size int
			if n < 1<<10 {
				packed = h.stream(packed, e.literals)
				head, size = 2|uint64(n)<<4|uint64(len(packed))<<14, 3
			} else if packed = h.streams(packed, e.literals); n < 1<<14 {
				head, size = 2|2<<2|uint64(n)<<4|uint64(len(packed))<<18, 4
			} else {
				head, size = 2|3<<2|uint64(n)<<4|uint64(len(packed))<<22, 5
			}
			if len(packed) < n {
				for range size {
					out = append(out, byte(head))
					head >>= 8
				}
				return append(out, packed...)
			}
		}
	}
	switch {
	case n < 1<<5:
		out = append(out, byte(n<<3))
	case n < 1<<12:
		out = append(out, byte(1<<2|n<<4), byte(n>>4))
	default:
		out = append(out, byte(3<<2|n<<4), byte(n>>4), byte(n>>12))
	}
	return append(out, e.literals...)
}

// A seqCode is the code of a number, and bits that follow it.
type seqCode struct {
	code, bits byte
	extra      uint32
}

// codeOf returns the code for v by a table of the numbers of extra bits: codes of the table begin at the number
// first, and each stands for as many as its bits can tell apart.
func codeOf(v, first int, table string) seqCode {
	if v < first {
		return seqCode{code: byte(v)}
	}
	base := first
	for i := range table {
		n := table[i] - '0'
		if v < base+1<<n {
			return seqCode{byte(first + i), n, uint32(v - base)}
		}
		base += 1 << n
	}
	panic("unreachable: blocks are smaller than the last code's numbers")
}

const (
	literalBits = "11112233467" + "89:;<=>?@"  // of the codes for 16 literals and more; ':' is ten
	lengthBits  = "111122334457" + "89:;<=>?@" // of the codes for matches of 35 bytes and more
)

// sequences appends the sequences.
func (e *zstdEncoder) sequences(out []byte) []byte {
	switch n := len(e.seqs); {
	case n < 128:
		out = append(out, byte(n))
	case n < 0x7f00:
		out = append(out, byte(n>>8+128), byte(n))
	default:
		out = append(out, 255, byte(n-0x7f00), byte((n-0x7f00)>>8))
	}
	if len(e.seqs) == 0 {
		return out
	}
	codes := make([][3]seqCode, len(e.seqs)) // literals, offset, length
	var counts [3][64]int
	for i, s := range e.seqs {
		k := bits.Len(uint(s.offset)) - 1
		codes[i] = [3]seqCode{
			codeOf(s.literals, 16, literalBits),
			{byte(k), byte(k), uint32(s.offset - 1<<k)},
			codeOf(s.length-3, 32, lengthBits),
		}
		for j := range counts {
			counts[j][codes[i][j].code]++
		}
	}
	var tables [3]*fseTable
	modes := len(out)
	out = append(out, 0)
	for j, most := range [3]uint{9, 8, 9} {
		shift := 6 - 2*j
		if first := codes[0][j].code; counts[j][first] == len(codes) {
			out[modes] |= 1 << shift
			out = append(out, first)
			continue
		}
		tables[j] = newFSETable(counts[j][:], most)
		out[modes] |= 2 << shift
		out = tables[j].describe(out)
	}
	b := bitWriter{out: out}
	var states [3]uint32
	for i := len(codes) - 1; i >= 0; i-- {
		for _, j := range [3]int{1, 2, 0} {
			switch t, c := tables[j], codes[i][j].code; {
			case t == nil:
			case i == len(codes)-1:
				states[j] = t.begin(c)
			default:
				states[j] = t.encode(&b, states[j], c)
			}
		}
		for _, j := range [3]int{0, 2, 1} {
			b.add(uint64(codes[i][j].extra), uint(codes[i][j].bits))
		}
	}
	for _, j := range [3]int{2, 1, 0} {
		if tables[j] != nil {
			tables[j].flush(&b, states[j])
		}
	}
	return b.close()
}

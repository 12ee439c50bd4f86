package compress

import (
	"encoding/binary"
	"io"
	"math/bits"
	"runtime"
	"slices"
	"sync"
)

const (
	zstdMagic    = "\x28\xb5\x2f\xfd"
	zstdBlockMax = 128 << 10
	zstdMatchMax = 4 << 10 // longer matches would do nothing but take time
	zstdSegment  = 4 << 20 // as in zstdWriter
	zstdHistory  = 2 << 20
)

// A zstdWriter gathers segments and encodes as many of them at a time as there are processors. How many that are shows
// nowhere in the output.
type zstdWriter struct {
	w        io.Writer
	segment  int    // what is encoded without knowing how what comes before was
	history  int    // what a segment knows of what comes before
	buf      []byte // what comes before, and what is to be encoded
	start    int    // of what is to be encoded
	sum      xxhash
	encoders []zstdEncoder
	begun    bool
	err      error
}

// NewZstdWriter returns a writer that compresses to w as zstd, with a window of 8 MiB and a checksum. Close ends the
// stream and leaves w open.
func NewZstdWriter(w io.Writer) io.WriteCloser { return newZstdWriter(w, zstdSegment, zstdHistory) }

func newZstdWriter(w io.Writer, segment, history int) *zstdWriter {
	z := &zstdWriter{w: w, segment: segment, history: history, encoders: make([]zstdEncoder, min(runtime.GOMAXPROCS(0), 4))}
	z.sum.reset()
	return z
}

func (z *zstdWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && z.err == nil {
		full := z.start + len(z.encoders)*z.segment
		if most := z.history + len(z.encoders)*z.segment; len(z.buf) > 1<<20 && cap(z.buf) < most {
			z.buf = append(make([]byte, 0, most), z.buf...)
		}
		k := min(len(p), full-len(z.buf))
		z.buf = append(z.buf, p[:k]...)
		z.sum.write(p[:k])
		n, p = n+k, p[k:]
		if len(z.buf) == full {
			z.encode()
		}
	}
	return n, z.err
}

// Close encodes what is left. It does not close the stream below.
func (z *zstdWriter) Close() error {
	if z.err == nil {
		z.encode()
	}
	if z.err == nil { // an empty block, the last one, and the checksum
		_, z.err = z.w.Write(binary.LittleEndian.AppendUint32([]byte{1, 0, 0}, uint32(z.sum.sum())))
	}
	return z.err
}

// encode encodes the segments that are there.
func (z *zstdWriter) encode() {
	var wait sync.WaitGroup
	used := 0
	for start := z.start; start < len(z.buf); start += z.segment {
		e := &z.encoders[used]
		used++
		e.reps = [3]int{} // nobody knows
		end := min(start+z.segment, len(z.buf))
		from := max(0, start-z.history)
		wait.Go(func() { e.segment(z.buf[from:end], start-from) })
	}
	wait.Wait()
	if !z.begun {
		const window, checksum = (windowBits - 10) << 3, 1 << 2
		z.begun = true
		_, z.err = io.WriteString(z.w, zstdMagic+string([]byte{checksum, window}))
	}
	for i := range z.encoders[:used] {
		if z.err == nil {
			_, z.err = z.w.Write(z.encoders[i].out)
		}
	}
	keep := min(z.history, len(z.buf))
	z.buf = z.buf[:copy(z.buf, z.buf[len(z.buf)-keep:])]
	z.start = keep
}

// A zstdEncoder makes blocks of zstd.
type zstdEncoder struct {
	m        *matcher
	reps     [3]int // the last distances; 0: nobody knows
	literals []byte
	seqs     []sequence
	codes    [][3]seqCode
	out      []byte
}

// A sequence is some literals and a match.
type sequence struct {
	literals, length int
	offset           int // code of the distance: 1 to 3 for one of the last, or the distance and 3
}

// segment encodes data from start on into e.out.
func (e *zstdEncoder) segment(data []byte, start int) {
	if e.m == nil {
		e.m = new(matcher)
	}
	e.m.reset(data, start)
	e.out = e.out[:0]
	for start < len(data) {
		end := min(len(data), start+zstdBlockMax)
		e.block(start, end)
		start = end
	}
}

// block appends a block.
func (e *zstdEncoder) block(from, end int) {
	before := e.reps
	e.split(from, end)
	start := len(e.out)
	out := e.sequences(e.literalSection(append(e.out, 0, 0, 0)))
	n, kind := len(out)-start-3, 2
	if n >= end-from {
		out = append(out[:start+3], e.m.data[from:end]...)
		n, kind, e.reps = end-from, 0, before
	}
	n = n<<3 | kind<<1
	out[start], out[start+1], out[start+2] = byte(n), byte(n>>8), byte(n>>16)
	e.out = out
}

// split cuts what comes up to end into literals and matches.
func (e *zstdEncoder) split(pos, end int) {
	e.literals, e.seqs = e.literals[:0], e.seqs[:0]
	data, from := e.m.data, pos
	for pos < end {
		m := e.choose(pos, end)
		if m.saves == 0 {
			pos++
			continue
		}
		for ahead := 1; ahead <= 2 && m.length < 24; ahead++ {
			// One or two bytes later there may be a better match.
			if later := e.choose(pos+ahead, end); later.saves > m.saves+20*ahead {
				m, pos, ahead = later, pos+ahead, 0
			}
		}
		for pos > from && pos > m.dist && data[pos-1] == data[pos-1-m.dist] {
			pos--
			m.length++
		}
		e.literals = append(e.literals, data[from:pos]...)
		e.seqs = append(e.seqs, sequence{pos - from, m.length, e.offset(m.dist, pos > from)})
		pos += m.length
		from = pos
	}
	e.literals = append(e.literals, data[from:end]...)
}

// choose returns the match at i, up to end, that saves most.
func (e *zstdEncoder) choose(i, end int) (m match) {
	if i+4 > end {
		return m
	}
	end = min(end, i+zstdMatchMax)
	m = e.m.search(i, end)
	data := e.m.data
	v := binary.LittleEndian.Uint32(data[i:])
	for r, d := range e.reps {
		if d > 0 && d <= i && (v^binary.LittleEndian.Uint32(data[i-d:]))<<8 == 0 { // three bytes
			n := common(data[i:end], data[i-d:])
			if g := 22*n - 28 - 4*r; g > m.saves {
				m = match{n, d, g}
			}
		}
	}
	return m
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
	codes := slices.Grow(e.codes[:0], len(e.seqs))[:len(e.seqs)] // literals, offset, length
	e.codes = codes
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

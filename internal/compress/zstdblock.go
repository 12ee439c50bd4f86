//go:build !kmod_nozstd

package compress

import "math/bits"

// A zstdDecoder expands blocks of zstd (RFC 8878, 3.1.1.2) into out.
type zstdDecoder struct {
	out      []byte // what was expanded is the history for matches
	pos      int    // its length; there is room for more behind
	base     int    // where in out the frame begins
	head     zstdHeader
	made     uint64 // how much of the frame was expanded
	sum      xxhash
	seqs     zstdSequences
	huff     huffDecoder
	tables   [3]fseDecoder // for literals, distances, lengths
	codes    [3][]zstdCode
	literals [zstdBlockMax + copySlack]byte
}

func newZstdDecoder() *zstdDecoder {
	d := new(zstdDecoder)
	d.codes = [3][]zstdCode{zstdCodes(16, literalBits, 0), zstdCodes(0, distanceBits, 1), zstdCodes(32, lengthBits, 3)}
	return d
}

// compressed expands the compressed block src[at:end], in front of which there are bitsBefore bytes, to no more than most bytes.
func (d *zstdDecoder) compressed(src []byte, at, end, most int) bool {
	literals, at := d.literalSection(src[:end], at)
	if literals == nil || at >= end {
		return false
	}
	count := int(src[at])
	switch at++; {
	case count < 128:
	case count < 255 && at < end:
		count = (count-128)<<8 | int(src[at])
		at++
	case count == 255 && end-at >= 2:
		count = 0x7f00 + int(src[at]) + int(src[at+1])<<8
		at += 2
	default:
		return false
	}
	n := len(literals) - copySlack
	if count == 0 {
		if at != end || n > most {
			return false
		}
		d.pos += copy(d.out[d.pos:], literals[:n])
		return true
	}
	if at = d.sequenceTables(src[:end], at); at == 0 {
		return false
	}
	return d.sequences(src[at-bitsBefore:end], literals, count, d.pos+most)
}

// literalSection returns the literals and copySlack bytes more, and where in src the section that at begins ends. It returns nil
// if it is damaged.
func (d *zstdDecoder) literalSection(src []byte, at int) ([]byte, int) {
	var head uint64 // its bits, 40 at most
	for i, c := range src[at:min(at+5, len(src))] {
		head |= uint64(c) << (8 * i)
	}
	if kind := head & 3; kind >= 2 {
		return d.packedLiterals(src, at, head>>2, kind == 3)
	}
	format := head >> 2 & 3
	size := [4]int{1, 2, 1, 3}[format]
	n := int(head & (1<<(8*size) - 1) >> [4]int{3, 4, 3, 4}[format])
	if at += size; n > zstdBlockMax || at > len(src) {
		return nil, 0
	}
	out := d.literals[:n+copySlack]
	switch repeated := head&1 != 0; {
	case repeated && at < len(src):
		for i := range out[:n] {
			out[i] = src[at]
		}
		return out, at + 1
	case repeated || n > len(src)-at:
		return nil, 0
	case n+copySlack <= len(src)-at:
		return src[at : at+n+copySlack], at + n
	}
	copy(out, src[at:])
	return out, at + n
}

// packedLiterals is literalSection for Huffman codes, the last ones again or those that are described in front. head is the header
// without the two bits for that.
func (d *zstdDecoder) packedLiterals(src []byte, at int, head uint64, again bool) ([]byte, int) {
	width := [4]int{10, 10, 14, 18}[head&3]
	n, size := int(head>>2&(1<<width-1)), int(head>>(2+width)&(1<<width-1))
	if at += (4 + 2*width + 7) / 8; at > len(src) || size > len(src)-at || n > zstdBlockMax {
		return nil, 0
	}
	src = src[:at+size]
	if !again {
		k := d.huff.read(src, at)
		if k == 0 {
			return nil, 0
		}
		at += k
	} else if !d.huff.set {
		return nil, 0
	}
	out := d.literals[:n+copySlack]
	var streams [4]huffStream
	if head&3 == 0 {
		in := src[at-bitsBefore:]
		streams[0] = huffStream{out[:n], in, bitsOf(in)}
		if !d.huff.symbols(streams[:1]) {
			return nil, 0
		}
		return out, len(src)
	}
	quarter := (n + 3) / 4
	if len(src)-at < 10 || 3*quarter > n {
		return nil, 0
	}
	from := at + 6 // behind the lengths of all but the last
	for i := range streams {
		to := len(src)
		if i < 3 {
			to = from + int(src[at+2*i]) + int(src[at+2*i+1])<<8
		}
		if to > len(src) {
			return nil, 0
		}
		in := src[from-bitsBefore : to]
		streams[i] = huffStream{out[i*quarter : min((i+1)*quarter, n)], in, bitsOf(in)}
		from = to
	}
	if !d.huff.symbols(streams[:]) {
		return nil, 0
	}
	return out, len(src)
}

// sequenceTables reads which tables the sequences have and returns where in src they begin, 0 if that is damaged.
func (d *zstdDecoder) sequenceTables(src []byte, at int) int {
	if at >= len(src) || src[at]&3 != 0 {
		return 0
	}
	modes := src[at]
	at++
	for i := range d.tables {
		t, codes := &d.tables[i], d.codes[i]
		switch modes >> (6 - 2*i) & 3 {
		case 0:
			t.build(zstdDefaults[i], [3]uint{6, 5, 6}[i])
			t.number(codes)
		case 1:
			if at >= len(src) || int(src[at]) >= len(codes) {
				return 0
			}
			t.one(codes[src[at]])
			at++
		case 2:
			n := t.read(src[at:], [3]uint{9, 8, 9}[i], len(codes)-1)
			if n == 0 {
				return 0
			}
			t.number(codes)
			at += n
		case 3:
			if !t.set {
				return 0
			}
		}
	}
	return at
}

// zstdDefaults are the frequencies that need not be told.
var zstdDefaults = [3][]int16{
	{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1},
	{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1},
	{
		1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
	},
}

// A zstdSequence is some literals and a match.
type zstdSequence struct{ literals, length, dist uint32 }

// A zstdSequences reads sequences.
type zstdSequences struct {
	src    []byte // and bitsBefore bytes in front
	r      int    // bits left
	count  int    // sequences left
	states [3]uint64
	reps   [3]uint32 // the last distances
	batch  [64]zstdSequence
}

// start reads the states that count sequences begin with.
func (d *zstdDecoder) start(src []byte, count int) bool {
	s := &d.seqs
	s.src, s.r, s.count = src, bitsOf(src), count
	for _, i := range [3]int{0, 1, 2} {
		t := &d.tables[i]
		if s.r < int(t.log) {
			return false
		}
		s.states[i] = t.states[peek(src, s.r)>>1>>(63-t.log&63)&511]
		s.r -= int(t.log)
	}
	return true
}

// next reads the next sequences, 64 at most, and none if they are damaged.
func (d *zstdDecoder) next() []zstdSequence {
	s := &d.seqs
	src, r, count := s.src, s.r, s.count
	ls, os, ms := &d.tables[0].states, &d.tables[1].states, &d.tables[2].states
	l, o, m := s.states[0], s.states[1], s.states[2]
	rep0, rep1, rep2 := s.reps[0], s.reps[1], s.reps[2]
	batch := s.batch[:min(count, len(s.batch))]
	for i := range batch {
		if r < 0 {
			return nil
		}
		// A distance, a length and literals, 57 bits at most but for distances over 16 MiB.
		x := bits.RotateLeft64(peek(src, r), int(o&63))
		dist := uint32(o>>32) + uint32(x)&uint32(o>>32-1)
		r -= int(o & 63)
		if o&63 > 24 {
			if r < 0 {
				return nil
			}
			x = peek(src, r)
		}
		x = bits.RotateLeft64(x, int(m&63))
		length := uint32(m>>32) + uint32(x)&(1<<(m&31)-1)
		x = bits.RotateLeft64(x, int(l&63))
		literals := uint32(l>>32) + uint32(x)&(1<<(l&31)-1)
		r -= int(m&63 + l&63)

		if dist > 3 {
			dist -= 3
			rep0, rep1, rep2 = dist, rep0, rep1
		} else {
			if literals == 0 {
				dist++
			}
			switch dist {
			case 1:
				dist = rep0
			case 2:
				dist = rep1
				rep0, rep1 = dist, rep0
			case 3:
				dist = rep2
				rep0, rep1, rep2 = dist, rep0, rep1
			default:
				dist = rep0 - 1
				rep0, rep1, rep2 = dist, rep0, rep1
			}
		}
		batch[i] = zstdSequence{literals, length, dist}

		if count--; count == 0 {
			break
		}
		if o&63+m&63+l&63 > 31 { // 26 are needed
			if r < 0 {
				return nil
			}
			x = peek(src, r)
		}
		r -= int(l>>8&15 + m>>8&15 + o>>8&15)
		x = bits.RotateLeft64(x, int(l>>8&15))
		l = ls[(l>>16+x&(1<<(l>>8&15)-1))&511]
		x = bits.RotateLeft64(x, int(m>>8&15))
		m = ms[(m>>16+x&(1<<(m>>8&15)-1))&511]
		x = bits.RotateLeft64(x, int(o>>8&15))
		o = os[(o>>16+x&(1<<(o>>8&15)-1))&511]
	}
	if count == 0 && r != 0 {
		return nil
	}
	s.r, s.count, s.states, s.reps = r, count, [3]uint64{l, o, m}, [3]uint32{rep0, rep1, rep2}
	return batch
}

// sequences executes count sequences of src, which has bitsBefore bytes in front, and appends what is left of literals, which have
// copySlack bytes behind. No more than limit bytes may be in out then, behind which there is room for copySlack.
func (d *zstdDecoder) sequences(src, literals []byte, count, limit int) bool {
	if !d.start(src, count) {
		return false
	}
	out, pos := d.out, d.pos
	at, end := 0, len(literals)-copySlack
	for d.seqs.count > 0 {
		batch := d.next()
		if batch == nil {
			return false
		}
		for _, s := range batch {
			n, length, dist := int(s.literals), int(s.length), int(s.dist)
			if n > end-at || n+length > limit-pos {
				return false
			}
			for from, to := at, pos; from < at+n; from, to = from+copySlack, to+copySlack {
				copy(out[to:to+copySlack:to+copySlack], literals[from:from+copySlack:from+copySlack])
			}
			at += n
			pos += n
			if uint(dist-1) >= uint(pos-d.base) || uint64(dist) > d.head.window {
				return false
			}
			copyMatch(out, pos, dist, length)
			pos += length
		}
	}
	if end-at > limit-pos {
		return false
	}
	d.pos = pos + copy(out[pos:], literals[at:end])
	return true
}

// Package xz expands xz files that are in memory, which is how modules and kernels are read.
//
// It exists beside the libraries, which serve for everything else about xz, for two reasons. Their decoders take 1.9
// (mikelolasagasti/xz) and 2.7 times (ulikunitz/xz 0.5) the time of this one, and xz is all that depmod does on the
// trees of Debian. And ulikunitz/xz has none of the filters for programs, which kernels are packed with. When a release
// of ulikunitz/xz 0.6 expands every module and kernel of Debian, this package can go: 0.6.0-alpha.3 takes 1.23 times
// the time, but fails on amdgpu.ko.xz. Tests and fuzzing compare both libraries with it.
package xz

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"
	"sync"
)

// ErrTooLarge reports that a file expands to more than the limit.
var ErrTooLarge = errors.New("larger than the limit")

var errCorrupt = errors.New("data is corrupt")

// decoders holds idle decoders.
var decoders = sync.Pool{New: func() any { return new(lzma) }}

// Expand appends the contents of the xz file src to dst, which must not overlap it. At most limit bytes may be in dst;
// more are [ErrTooLarge]. A file that is cut off is [io.ErrUnexpectedEOF], and a filter that is not known
// [errors.ErrUnsupported]. All streams of the file are expanded, or with one set just the first, whatever follows it.
// With an error as well, out is what could be expanded, and read how much of src was read.
func Expand(dst, src []byte, limit int64, one bool) (out []byte, read int, err error) {
	d := decoders.Get().(*lzma)
	defer decoders.Put(d)
	x := xzFile{lzma: d, src: src, limit: limit}
	if one {
		out, err = x.stream(dst)
	} else {
		out, err = x.expand(dst)
	}
	return out, x.pos, err
}

// An xzFile is a file being decoded.
type xzFile struct {
	*lzma
	src    []byte
	pos    int // how far src has been read
	limit  int64
	check  byte // type of check of the stream
	blocks []xzRecord
}

// An xzRecord is what the index has about a block.
type xzRecord struct {
	stored uint64 // header, data and check, without padding
	size   uint64 // expanded
}

const (
	xzHeaderSize = 12
	xzMagic      = "\xfd7zXZ\x00"
	xzFooter     = "YZ"
	xzLZMA2      = 0x21
)

func (x *xzFile) expand(dst []byte) ([]byte, error) {
	if n := backed(xzClaim(x.src), len(x.src), x.limit-int64(len(dst))); n > 0 {
		dst = grow(dst, n+copySlack)
	}
	for {
		var err error
		if dst, err = x.stream(dst); err != nil {
			return dst, err
		}
		// Streams are followed by zeros, a multiple of four, or nothing.
		pad := x.pos
		for x.pos < len(x.src) && x.src[x.pos] == 0 {
			x.pos++
		}
		if (x.pos-pad)%4 != 0 {
			return dst, errCorrupt
		}
		if x.pos == len(x.src) {
			return dst, nil
		}
	}
}

// xzClaim returns the size that the index of the last stream claims, or 0.
func xzClaim(src []byte) uint64 {
	if len(src) < 2*xzHeaderSize || string(src[len(src)-2:]) != xzFooter {
		return 0
	}
	footer := src[len(src)-xzHeaderSize:]
	size := (uint64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	if size > uint64(len(src)-xzHeaderSize) {
		return 0
	}
	x := xzFile{src: src, pos: len(src) - xzHeaderSize - int(size)}
	records, err := x.index()
	if err != nil {
		return 0
	}
	var total uint64
	for _, r := range records {
		if r.size > 1<<48 {
			return 0
		}
		total += r.size
	}
	return total
}

// next returns the next n bytes.
func (x *xzFile) next(n int) ([]byte, error) {
	if n > len(x.src)-x.pos {
		x.pos = len(x.src)
		return nil, io.ErrUnexpectedEOF
	}
	b := x.src[x.pos:][:n]
	x.pos += n
	return b, nil
}

// sumOK reports whether b ends in the CRC32 of the rest.
func sumOK(b []byte) bool {
	n := len(b) - 4
	return crc32.ChecksumIEEE(b[:n]) == binary.LittleEndian.Uint32(b[n:])
}

// stream decodes one stream.
func (x *xzFile) stream(dst []byte) ([]byte, error) {
	start := x.pos
	header, err := x.next(xzHeaderSize)
	if err != nil {
		return dst, err
	}
	if !x.header(header) {
		x.pos = start
		return dst, errCorrupt
	}
	for x.pos < len(x.src) && x.src[x.pos] != 0 {
		if dst, err = x.block(dst); err != nil {
			return dst, err
		}
	}
	return dst, x.tail()
}

// header reads the header of a stream.
func (x *xzFile) header(b []byte) bool {
	flags := b[6:8]
	if string(b[:6]) != xzMagic || !sumOK(b[6:]) || flags[0] != 0 || flags[1] > 15 {
		return false
	}
	x.check, x.blocks = flags[1], x.blocks[:0]
	return true
}

// tail reads what follows the blocks of a stream: the index, which has to be right about them, and the footer.
func (x *xzFile) tail() error {
	index := x.pos
	records, err := x.index()
	if err != nil {
		return err
	}
	if !slices.Equal(records, x.blocks) {
		return errCorrupt
	}
	size := x.pos - index
	footer, err := x.next(xzHeaderSize)
	if err != nil {
		return err
	}
	back := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	crc := binary.LittleEndian.Uint32(footer)
	if crc32.ChecksumIEEE(footer[4:10]) != crc || back != int64(size) ||
		footer[8] != 0 || footer[9] != x.check || string(footer[10:]) != xzFooter {
		return errCorrupt
	}
	return nil
}

// index reads an index.
func (x *xzFile) index() ([]xzRecord, error) {
	start := x.pos
	r := vlis{x.src[start:]}
	if len(r.b) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	r.b = r.b[1:]
	count := r.next()
	var records []xzRecord
	for ; count > 0 && r.b != nil; count-- {
		records = append(records, xzRecord{r.next(), r.next()})
	}
	if r.b == nil {
		return nil, errCorrupt
	}
	size := len(x.src) - len(r.b) - start
	all, err := x.next((size+3)&^3 + 4)
	if err != nil {
		return nil, err
	}
	if !sumOK(all) || !zero(all[size:len(all)-4]) {
		return nil, errCorrupt
	}
	return records, nil
}

// block decodes one block and verifies its check.
func (x *xzFile) block(dst []byte) ([]byte, error) {
	start := x.pos
	h, err := x.blockHeader()
	if err != nil {
		return dst, err
	}
	before, dataStart := len(dst), x.pos
	dst, n, err := x.lzma2(dst, x.src[x.pos:], h.dict, x.limit)
	x.pos += n
	if err != nil {
		return dst, err
	}
	for _, f := range h.filters {
		f(dst[before:])
	}
	if (h.hasStored && h.stored != uint64(n)) || (h.hasSize && h.size != uint64(len(dst)-before)) {
		return dst, errCorrupt
	}
	pad, err := x.next(-(x.pos - start) & 3)
	if err != nil || !zero(pad) {
		return dst, errCorrupt
	}
	sum, err := x.next(checkSize(x.check))
	if err != nil {
		return dst, err
	}
	if h := newCheck(x.check); h != nil {
		if h.Write(dst[before:]); !sumIs(h, sum) {
			return dst, errCorrupt
		}
	}
	stored := uint64(dataStart-start) + uint64(n) + uint64(len(sum))
	x.blocks = append(x.blocks, xzRecord{stored, uint64(len(dst) - before)})
	return dst, nil
}

// An xzBlock is the header of a block.
type xzBlock struct {
	hasStored, hasSize bool
	stored, size       uint64
	dict               uint32
	filters            []filter // to be undone after LZMA2, in this order
}

func (x *xzFile) blockHeader() (h xzBlock, err error) {
	b, err := x.next((int(x.src[x.pos]) + 1) * 4)
	if err != nil {
		return h, err
	}
	if !sumOK(b) {
		return h, errCorrupt
	}
	const (
		filters    = 0x03 // how many, less one
		reserved   = 0x3c
		withStored = 0x40
		withSize   = 0x80
	)
	flags := b[1]
	if flags&reserved != 0 {
		return h, errCorrupt
	}
	r := vlis{b[2 : len(b)-4]}
	if flags&withStored != 0 {
		h.hasStored, h.stored = true, r.next()
	}
	if flags&withSize != 0 {
		h.hasSize, h.size = true, r.next()
	}
	for range flags & filters {
		f, err := r.filter()
		if err != nil {
			return h, err
		}
		h.filters = append([]filter{f}, h.filters...)
	}
	number := r.next()
	if r.b == nil {
		return h, errCorrupt
	}
	if number != xzLZMA2 {
		return h, unknownFilter()
	}
	size := r.next()
	if size != 1 || len(r.b) < 1 || r.b[0] > 40 || !zero(r.b[1:]) {
		return h, errCorrupt
	}
	h.dict = dictSize(r.b[0])
	return h, nil
}

// unknownFilter is the error for a filter that is left out here.
func unknownFilter() error {
	return fmt.Errorf("a filter that is not known: %w", errors.ErrUnsupported)
}

// filter reads the number and properties of a filter that stands before LZMA2.
func (r *vlis) filter() (filter, error) {
	number, size := r.next(), r.next()
	if r.b == nil {
		return nil, errCorrupt
	}
	if number == xzDelta && size == 1 && len(r.b) > 0 {
		f := unfilterDelta(int(r.b[0]) + 1)
		r.b = r.b[1:]
		return f, nil
	}
	// The property of the others, where they begin to count, has never been used.
	f := xzFilter(number)
	if f == nil || size != 0 {
		return nil, unknownFilter()
	}
	return f, nil
}

// dictSize returns the size of the dictionary from its byte, at most 40.
func dictSize(b byte) uint32 {
	if b == 40 {
		return 1<<32 - 1
	}
	return uint32(2|b&1) << (b/2 + 11)
}

// checkSize returns the size of a check. Those which this package does not
// know have sizes as well, so that they can be passed over, as xz does.
func checkSize(check byte) int {
	return [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[check]
}

// newCheck returns what computes a check, nil for one that is not known.
func newCheck(check byte) hash.Hash {
	switch check {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		return sha256.New()
	}
	return nil
}

// sumIs verifies a check, which has the bytes of numbers in ascending order.
func sumIs(h hash.Hash, want []byte) bool {
	got := h.Sum(nil)
	if len(got) <= 8 {
		slices.Reverse(got)
	}
	return bytes.Equal(got, want)
}

// zero reports whether b has only zeros.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// vlis reads integers of variable length from b, which is nil after the first
// one that is bad.
type vlis struct{ b []byte }

func (r *vlis) next() uint64 {
	var v uint64
	for i, c := range r.b {
		if i == 9 || (c == 0 && i > 0) {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.b = r.b[i+1:]
			return v
		}
	}
	r.b = nil
	return 0
}

package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	ulikunitz "github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/gomodprobe/gomodprobe/internal/format/xz"
)

const (
	// dictMax is the largest dictionary of a stream: that of xz -9 has half of it. The library allocates what a
	// header claims.
	dictMax = 128 << 20

	// dictsMax is how much the dictionaries of all blocks of a stream may have together, and dictsRatio how much
	// more for each byte of the stream: each block makes the library clear its dictionary, however little there is
	// in it.
	dictsMax   = 4 << 30
	dictsRatio = 64
)

var errDictionary = errors.New("the dictionary is larger than 128 MiB")

// expandXz decodes all streams of an xz file.
func expandXz(dst, src []byte, limit int64) ([]byte, int64, error) {
	out, read, err := xz.Expand(dst, src, limit, false)
	return out, int64(read), err
}

// firstXz decodes the stream at the start of src.
func firstXz(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	const slack = 64 // the decoder wants some room behind the data
	out, read, err := xz.Expand(grow(nil, hint+slack), src, limit, true)
	return out, int64(read) + int64(len(out)), err
}

// FirstLZMA expands the .lzma file that src begins with, the format before xz, and ignores what follows it. Modules are
// never packed so, some boot images are. hint, limit and work are those of [First].
func FirstLZMA(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	if len(src) < lzma.HeaderLen {
		return nil, 0, errTruncated
	}
	// The library allocates what the header claims. Many of them are none, and seen to be broken after a few bytes.
	claim := binary.LittleEndian.Uint32(src[1:])
	if claim > dictSmall {
		out, work, err = firstLZMA(src, dictSmall, hint, limit)
		if err == nil || err == ErrTooLarge || len(out) == 0 {
			// With the first bytes the library has filled the dictionary: before them it cannot have been
			// too small.
			return whenDone(out, err), work, err
		}
	}
	if claim > dictMax {
		return nil, work, errDictionary
	}
	out, more, err := firstLZMA(src, claim, hint, limit)
	return whenDone(out, err), work + more, err
}

// whenDone returns out, or nil if there is an error.
func whenDone(out []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return out
}

// dictSmall is the dictionary that is tried first.
const dictSmall = 1 << 20

// firstLZMA is FirstLZMA with another dictionary than the header has. With an error as well out is what could be
// expanded.
func firstLZMA(src []byte, dict uint32, hint int, limit int64) (out []byte, work int64, err error) {
	head := binary.LittleEndian.AppendUint32([]byte{src[0]}, dict)
	head = append(head, src[len(head):lzma.HeaderLen]...)
	in := bytes.NewReader(src[lzma.HeaderLen:])
	done := func() int64 { return int64(len(src)-in.Len()) + int64(len(out)) }
	z, err := lzma.NewReader(&headed{head, in})
	if err != nil {
		return nil, done(), cause(err)
	}
	room := hint
	if h, _ := z.Header(); h.Size >= 0 {
		if h.Size > limit {
			return nil, done(), ErrTooLarge
		}
		room = backed(uint64(h.Size), len(src), limit)
	}
	out, err = readAll(grow(nil, room+1), z, limit)
	return out, done(), cause(err)
}

// headed reads head and then what follows it.
type headed struct {
	head []byte
	*bytes.Reader
}

func (h *headed) Read(p []byte) (int, error) {
	if len(h.head) > 0 {
		n := copy(p, h.head)
		h.head = h.head[n:]
		return n, nil
	}
	return h.Reader.Read(p)
}

// NewXzWriter returns a writer that compresses to w as the kernel can read it: with CRC32 as the check, a dictionary of
// 8 MiB, and no filter. Close ends the stream and leaves w open.
func NewXzWriter(w io.Writer) (io.WriteCloser, error) {
	x := &xzWriter{below: w}
	var err error
	x.lib, err = ulikunitz.WriterConfig{CheckSum: ulikunitz.CRC32, DictCap: 8 << 20}.NewWriter(writerFunc(x.write))
	if err != nil {
		return nil, err
	}
	return x, nil
}

// An xzWriter remembers the first error of what is below: the library forgets some.
type xzWriter struct {
	lib   *ulikunitz.Writer
	below io.Writer
	err   error
}

// write is what the library writes by.
func (x *xzWriter) write(p []byte) (n int, err error) {
	if x.err != nil {
		return 0, x.err
	}
	n, x.err = x.below.Write(p)
	return n, x.err
}

func (x *xzWriter) Write(p []byte) (int, error) {
	n, err := x.lib.Write(p)
	if x.err != nil {
		err = x.err
	}
	return n, err
}

// Close ends the stream.
func (x *xzWriter) Close() error {
	err := x.lib.Close()
	if x.err != nil {
		err = x.err
	}
	return err
}

// A writerFunc is a function that is an [io.Writer].
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// streamXz expands a stream while it is read.
func streamXz(in *counter) (io.ReadCloser, error) {
	x := &xzPieces{pieces: pieces{in: in}}
	x.next = x.header
	z, err := ulikunitz.ReaderConfig{SingleStream: true}.NewReader(x)
	if err != nil {
		return nil, err
	}
	return whole{io.NopCloser(z), &x.pieces}, nil
}

// xzPieces are the pieces of one stream of xz. The library needs it for three reasons besides the end of the stream: it
// allocates any dictionary that a block claims, it takes a stream that is cut off behind its header for an empty one,
// and of filters it does not say which it lacks.
type xzPieces struct {
	pieces
	check  int   // size of the checks
	block  int64 // where the present block begins, in the stream
	blocks int   // how many there were
	dicts  int64 // how large their dictionaries are together
}

// header reads the header of the stream.
func (x *xzPieces) header() error {
	const size = 12
	b, err := x.take(size)
	if err != nil {
		return err
	}
	x.check = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[b[7]&15]
	x.next = x.blockHeader
	return nil
}

// blockHeader reads the header of a block, or the index that follows the last.
func (x *xzPieces) blockHeader() error {
	x.block = x.in.n
	b, err := x.take(1)
	if err != nil {
		return err
	}
	if b[0] == 0 {
		x.next = x.end
		return x.index()
	}
	if b, err = x.take(int(b[0])*4 + 3); err != nil {
		return err
	}
	dict, err := dictOf(b)
	if err != nil {
		return err
	}
	x.blocks++
	if x.dicts += dict; dict > dictMax || x.dicts > dictsMax+dictsRatio*x.in.n {
		return errDictionary
	}
	x.next = x.chunk
	return nil
}

// dictOf returns how large the dictionary is that the header of a block claims. The library looks at all the rest.
func dictOf(b []byte) (int64, error) {
	const (
		moreFilters = 0x03
		withStored  = 0x40
		withSize    = 0x80
		lzma2       = 0x21
	)
	if b[1]&moreFilters != 0 {
		return 0, fmt.Errorf("a filter besides LZMA2: %w", errors.ErrUnsupported)
	}
	at := 2
	for _, flag := range []byte{withStored, withSize} {
		if b[1]&flag != 0 {
			_, n := binary.Uvarint(b[at:])
			if n <= 0 {
				return 0, errCorrupt
			}
			at += n
		}
	}
	if len(b)-at < 3 || b[at] != lzma2 || b[at+1] != 1 {
		return 0, errCorrupt
	}
	dict, err := lzma.DecodeDictCap(b[at+2])
	if err != nil {
		return 0, errCorrupt
	}
	return dict, nil
}

// chunk reads the head of a chunk of a block.
func (x *xzPieces) chunk() error {
	b, err := x.take(1)
	if err != nil {
		return err
	}
	switch control := b[0]; {
	case control == 0: // the last one: padding and the check follow
		x.body = -(x.in.n-x.block)&3 + int64(x.check)
		x.next = x.blockHeader
	case control <= 2:
		if b, err = x.take(2); err == nil {
			x.body = int64(binary.BigEndian.Uint16(b[1:])) + 1
		}
	case control < 0x80:
		err = errCorrupt
	default:
		head := 4
		if control >= 0xc0 {
			head++ // parameters
		}
		if b, err = x.take(head); err == nil {
			x.body = int64(binary.BigEndian.Uint16(b[3:])) + 1
		}
	}
	return err
}

// index reads the index behind its first byte.
func (x *xzPieces) index() error {
	for range 1 + 2*x.blocks { // how many blocks there are, and two sizes of each
		for n := 1; ; n++ {
			b, err := x.take(1)
			if err != nil {
				return err
			}
			if b[len(b)-1] < 0x80 {
				break
			}
			if n == 9 {
				return errCorrupt
			}
		}
	}
	const crc, footer = 4, 12
	x.body = -(x.in.n-x.block)&3 + crc + footer
	return nil
}

// end is behind the footer.
func (x *xzPieces) end() error { return io.EOF }

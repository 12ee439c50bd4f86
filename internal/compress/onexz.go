//go:build !kmod_noxz

package compress

import (
	"hash"
	"io"
)

// oneXz expands a stream while it is read.
func oneXz(in *counter) (io.ReadCloser, error) {
	x := &xzStream{in: in}
	x.lzma = xzs.Get().(*lzma)
	b, err := x.take(nil, xzHeaderSize)
	if err == nil && !x.header(b) {
		err = errCorrupt
	}
	if err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// An xzStream keeps what a dictionary holds of what it has expanded. Only a block with filters is expanded as a whole.
type xzStream struct {
	xzFile
	in     *counter
	chunk  []byte
	out    []byte // what was expanded
	given  int    // how much of out Read has returned
	ready  int    // how much of out it may return
	head   xzBlock
	within bool      // a block
	sum    hash.Hash // of the block
	stored int64     // bytes of the block's data so far
	size   uint64    // of what they are expanded to
	start  int64     // of the block, in the stream
	err    error
}

// take appends n bytes to b.
func (x *xzStream) take(b []byte, n int) ([]byte, error) {
	have := len(b)
	b = append(b, make([]byte, n)...)
	if _, err := io.ReadFull(x.in, b[have:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errTruncated
	} else if err != nil {
		return nil, err
	}
	return b, nil
}

func (x *xzStream) Read(p []byte) (int, error) {
	for x.given == x.ready && x.err == nil {
		if x.within {
			x.err = x.nextChunk()
		} else {
			x.err = x.nextBlock()
		}
	}
	n := copy(p, x.out[x.given:x.ready])
	if x.given += n; n == 0 && len(p) > 0 {
		return 0, x.err
	}
	return n, nil
}

// Close gives the decoder back.
func (x *xzStream) Close() error {
	if x.lzma != nil {
		xzs.Put(x.lzma)
		x.lzma, x.given, x.ready, x.err = nil, 0, 0, io.ErrClosedPipe
	}
	return nil
}

// nextBlock reads the header of a block, or what follows the last one.
func (x *xzStream) nextBlock() error {
	x.start = x.in.n
	b, err := x.take(nil, 1)
	if err != nil {
		return err
	}
	if b[0] == 0 {
		return x.end(b)
	}
	if b, err = x.take(b, int(b[0])*4+3); err != nil {
		return err
	}
	x.src, x.pos = b, 0
	if x.head, err = x.blockHeader(); err != nil {
		return err
	}
	x.head.dict = min(x.head.dict, DefaultLimit)
	x.out, x.given, x.ready = x.out[:0], 0, 0
	x.begin(x.head.dict, 0)
	x.within, x.sum, x.stored, x.size = true, newCheck(x.check), 0, 0
	return nil
}

// nextChunk expands a chunk of a block.
func (x *xzStream) nextChunk() error {
	b, err := x.take(x.chunk[:0], 1)
	if err != nil {
		return err
	}
	x.stored++
	if b[0] == 0 {
		return x.endBlock()
	}
	head := chunkHead(b[0])
	if head == 0 {
		return errCorrupt
	}
	if b, err = x.take(b, head); err != nil {
		return err
	}
	_, n := chunkSizes(b[0], b[1:])
	if b, err = x.take(b, n); err != nil {
		return err
	}
	x.stored += int64(head + n)
	x.chunk = append(b, make([]byte, inputSlack)...)
	whole := len(x.head.filters) > 0
	limit := int64(DefaultLimit)
	if !whole {
		x.slide()
		limit = int64(len(x.out)) + 4<<20 // more than a chunk makes
	}
	before := len(x.out)
	out, _, err := x.lzma2Chunk(x.out, x.chunk, limit)
	if err != nil {
		return err
	}
	x.out = out
	x.size += uint64(len(out) - before)
	if !whole {
		x.give()
	}
	return nil
}

// slide forgets what no match can reach any more. All of it has been returned.
func (x *xzStream) slide() {
	keep := int(x.head.dict)
	if n := len(x.out) - keep; n > keep+1<<20 {
		x.out = x.out[:copy(x.out, x.out[n:])]
		x.base -= n
		if -x.base > 1<<30 { // positions have 32 bits, of which models use the lowest
			x.base += 1 << 29
		}
		x.given, x.ready = len(x.out), len(x.out)
	}
}

// give lets Read return all there is.
func (x *xzStream) give() {
	if x.sum != nil {
		x.sum.Write(x.out[x.ready:])
	}
	x.ready = len(x.out)
}

// endBlock undoes filters and compares the block with what is said of it.
func (x *xzStream) endBlock() error {
	for _, f := range x.head.filters {
		f(x.out)
	}
	x.give()
	h := &x.head
	if h.hasStored && h.stored != uint64(x.stored) || h.hasSize && h.size != x.size {
		return errCorrupt
	}
	pad, err := x.take(nil, int(-(x.in.n-x.start)&3))
	if err != nil || !zero(pad) {
		return errCorrupt
	}
	sum, err := x.take(nil, checkSize(x.check))
	if err != nil {
		return err
	}
	if x.sum != nil && !sumIs(x.sum, sum) {
		return errCorrupt
	}
	x.within = false
	x.blocks = append(x.blocks, xzRecord{uint64(x.in.n-x.start) - uint64(len(pad)), x.size})
	return nil
}

// end reads the index, of which b is the first byte, and the footer. The error is io.EOF if all is well.
func (x *xzStream) end(b []byte) (err error) {
	numbers := 1 // those that follow: how many blocks there are, and two for each
	for i := 0; i < numbers; i++ {
		start := len(b)
		for more := true; more; more = b[len(b)-1] >= 0x80 && len(b)-start < 9 {
			if b, err = x.take(b, 1); err != nil {
				return err
			}
		}
		if r := (vlis{b[start:]}); i == 0 {
			if r.next() != uint64(len(x.blocks)) {
				return errCorrupt
			}
			numbers += 2 * len(x.blocks)
		}
	}
	if b, err = x.take(b, -len(b)&3+4+xzHeaderSize); err != nil {
		return err
	}
	x.src, x.pos = b, 0
	if err := x.tail(); err != nil {
		return err
	}
	return io.EOF
}

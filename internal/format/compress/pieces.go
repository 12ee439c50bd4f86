package compress

import "io"

// pieces is a reader of one stream or frame in a file that goes on behind it. The libraries would look there for
// another one; from this reader they get [io.EOF]. It knows where the pieces of a format end, and leaves it to the
// libraries what is in them.
type pieces struct {
	in   *counter
	next func() error // reads the head of the next piece and sets body; io.EOF behind the last
	buf  []byte       // the head
	head []byte       // what of it is still to be passed on
	body int64        // how much follows that is passed on unseen
	err  error
}

// take reads n more bytes of the head and returns all of it.
func (p *pieces) take(n int) ([]byte, error) {
	have := len(p.buf)
	p.buf = append(p.buf, make([]byte, n)...)
	if _, err := io.ReadFull(p.in, p.buf[have:]); err != nil {
		return nil, unexpected(err)
	}
	p.head = p.buf
	return p.buf, nil
}

// Read implements [io.Reader].
func (p *pieces) Read(to []byte) (n int, err error) {
	for p.err == nil && len(p.head) == 0 && p.body == 0 {
		p.buf = p.buf[:0]
		p.err = p.next()
	}
	switch {
	case p.err != nil:
		return 0, p.err
	case len(p.head) > 0:
		n = copy(to, p.head)
		p.head = p.head[n:]
	default:
		n, err = p.in.Read(to[:min(int64(len(to)), p.body)])
		p.body -= int64(n)
		p.err = unexpected(err)
	}
	return n, p.err
}

// whole is a decoder of pieces that has to read all of them: a library may take a bad beginning for the end.
type whole struct {
	io.ReadCloser
	pieces *pieces
}

func (w whole) Read(to []byte) (int, error) {
	n, err := w.ReadCloser.Read(to)
	if err == io.EOF && w.pieces.err != io.EOF {
		err = io.ErrUnexpectedEOF
		if w.pieces.err != nil {
			err = w.pieces.err
		}
	}
	return n, err
}

// unexpected is for an end of the file where it must not end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A byteReader is what decoders read from without taking more than they need.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// counter counts the bytes taken from r.
type counter struct {
	r byteReader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

package compress

import (
	"bufio"
	"io"
)

// Stream expands one gzip member, xz stream or zstd frame that begins at r's position. At the end of the expanded data,
// when it returns io.EOF, r stands exactly behind it: an image for the kernel may go on in another format there.
// Nothing limits the expanded size; the reader has to. Errors in the data are of type *Error, whose offset counts from
// where the stream begins. Close frees the decoder and does not touch r.
func Stream(r *bufio.Reader, f Format) (io.ReadCloser, error) {
	in := &counter{r: r}
	var z io.ReadCloser
	var err error
	switch f {
	case Gzip:
		z, err = oneGzip(in)
	case Xz:
		z, err = oneXz(in)
	case Zstd:
		z, err = oneZstd(in)
	default:
		return io.NopCloser(r), nil
	}
	if err != nil {
		return nil, &Error{f, in.n, err}
	}
	return &stream{z, in, f}, nil
}

type stream struct {
	io.ReadCloser
	in     *counter
	format Format
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &Error{s.format, s.in.n, err}
	}
	return n, err
}

// counter counts the bytes taken from r.
type counter struct {
	r *bufio.Reader
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

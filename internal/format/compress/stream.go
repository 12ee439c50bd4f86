package compress

import (
	"bufio"
	"errors"
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
		z, err = streamGzip(in)
	case Xz:
		z, err = streamXz(in)
	case Zstd:
		z, err = streamZstd(in)
	default:
		return io.NopCloser(r), nil
	}
	if err != nil {
		return nil, &Error{f, in.n, cause(err)}
	}
	return &stream{z, in, f, false}, nil
}

type stream struct {
	io.ReadCloser
	in     *counter
	format Format
	closed bool
}

func (s *stream) Read(p []byte) (int, error) {
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &Error{s.format, s.in.n, cause(err)}
	}
	return n, err
}

func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.ReadCloser.Close()
}

// First expands the first stream that src begins with and ignores what follows it: boot images carry compressed kernels
// with other data behind. hint is how much that may give, 0 if nobody knows; more than limit bytes are an error. Errors
// are of type *[Error]. work is how many bytes were read and made, with an error as well: who tries many places has
// to stop some time.
func First(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	err = errors.New("not compressed in a known format")
	f := Detect(src)
	hint = int(min(int64(hint), limit))
	switch f {
	case Gzip:
		out, work, err = firstGzip(src, hint, limit)
	case Xz:
		out, work, err = firstXz(src, hint, limit)
	case Zstd:
		out, work, err = firstZstd(src, hint, limit)
	}
	if err != nil {
		return nil, work, &Error{f, 0, cause(err)}
	}
	return out, work, nil
}

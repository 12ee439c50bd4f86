package cli

import "io"

// Output is a buffer in front of standard output that takes no memory until it is used, and that remembers the first
// error.
type Output struct {
	w   io.Writer
	buf []byte
	err error
}

// NewOutput returns an empty buffer in front of w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write adds to the buffer.
func (o *Output) Write(b []byte) (int, error) {
	o.buf = append(o.buf, b...)
	return len(b), o.full()
}

// Line adds strings and a newline.
func (o *Output) Line(parts ...string) {
	for _, part := range parts {
		o.buf = append(o.buf, part...)
	}
	o.buf = append(o.buf, '\n')
	o.full()
}

// JSON adds a document.
func (o *Output) JSON(v any) {
	if err := WriteJSON(o, v); o.err == nil {
		o.err = err
	}
}

// full writes the buffer when it is large.
func (o *Output) full() error {
	const large = 32 << 10
	if len(o.buf) < large {
		return o.err
	}
	return o.Flush()
}

// Flush writes the buffer.
func (o *Output) Flush() error {
	if len(o.buf) > 0 && o.err == nil {
		_, o.err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return o.err
}

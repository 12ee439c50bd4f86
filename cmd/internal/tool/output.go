package tool

import "io"

// output is a buffer in front of standard output that takes no memory until it is used, and that remembers the first
// error.
type output struct {
	w   io.Writer
	buf []byte
	err error
}

func newOutput(w io.Writer) *output { return &output{w: w} }

// Write adds to the buffer.
func (o *output) Write(b []byte) (int, error) {
	o.buf = append(o.buf, b...)
	return len(b), o.full()
}

// line adds strings and a newline.
func (o *output) line(parts ...string) {
	for _, part := range parts {
		o.buf = append(o.buf, part...)
	}
	o.buf = append(o.buf, '\n')
	o.full()
}

// json adds a document.
func (o *output) json(v any) {
	if err := writeJSON(o, v); o.err == nil {
		o.err = err
	}
}

// full writes the buffer when it is large.
func (o *output) full() error {
	const large = 32 << 10
	if len(o.buf) < large {
		return o.err
	}
	return o.Flush()
}

// Flush writes the buffer.
func (o *output) Flush() error {
	if len(o.buf) > 0 && o.err == nil {
		_, o.err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return o.err
}

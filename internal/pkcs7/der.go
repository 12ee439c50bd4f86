package pkcs7

// A reader walks over the values of a constructed value. After the first error
// it yields nothing more.
type reader struct {
	rest   []byte
	off    int // of rest in the message
	failed error
}

// err returns the first error.
func (r *reader) err() error { return r.failed }

// fail makes err the reader's error unless it has one.
func (r *reader) fail(err error) {
	if r.failed == nil {
		r.failed = err
	}
}

// next returns the tag of the next value, 0 at the end.
func (r *reader) next() byte {
	if len(r.rest) == 0 || r.failed != nil {
		return 0
	}
	return r.rest[0]
}

// take returns the contents of the next value, which must have that tag; what
// names it in the error.
func (r *reader) take(tag byte, what string) []byte {
	if r.failed == nil && r.next() != tag {
		r.fail(&SyntaxError{r.off, "no " + what})
	}
	return r.takeAny(what)
}

// enter is take for a constructed value. The new reader has the error of r.
func (r *reader) enter(tag byte, what string) reader {
	body := r.take(tag, what)
	return reader{rest: body, off: r.off - len(body), failed: r.failed}
}

// skip passes over the next value if it has that tag.
func (r *reader) skip(tag byte) {
	if r.next() == tag {
		r.takeAny("optional value")
	}
}

// takeAny returns the contents of the next value whatever its tag.
func (r *reader) takeAny(what string) []byte {
	if r.failed != nil {
		return nil
	}
	head, size, ok := header(r.rest)
	if !ok || size > len(r.rest)-head {
		r.fail(&SyntaxError{r.off, what + " is cut off or has no sound length"})
		return nil
	}
	body := r.rest[head:][:size:size]
	r.rest = r.rest[head+size:]
	r.off += head + size
	return body
}

// header reads the tag, of one byte, and the length of a value.
func header(b []byte) (head, size int, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), true
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 3 || len(b) < 2+n {
		return 0, 0, false // 16 MiB and more, or of indefinite length
	}
	for _, c := range b[2 : 2+n] {
		size = size<<8 | int(c)
	}
	return 2 + n, size, true
}

package pkcs7

import "unicode/utf8"

// A reader walks over the values of a constructed value. All readers of a
// message share its first error, after which they yield nothing more. Its small
// methods are called often and never in a hurry; they are not inlined, since
// their copies would be half of the package.
type reader struct {
	rest []byte
	off  int // of rest in the message
	err  *error
}

// fail notes an error at the reader's place, unless there is one already.
//
//go:noinline
func (r *reader) fail(what string) {
	if *r.err == nil {
		*r.err = &SyntaxError{r.off, what}
	}
}

// more reports whether there is another value.
//
//go:noinline
func (r *reader) more() bool { return *r.err == nil && len(r.rest) > 0 }

// end wants that there is none.
//
//go:noinline
func (r *reader) end(what string) {
	if r.more() {
		r.fail("more than belongs to the " + what)
	}
}

// next returns the tag of the next value, 0 at the end.
//
//go:noinline
func (r *reader) next() byte {
	if !r.more() {
		return 0
	}
	return r.rest[0]
}

// take returns the contents of the next value, which must have that tag; what
// names it in the error.
func (r *reader) take(tag byte, what string) []byte {
	if r.next() != tag {
		r.fail("no " + what)
	}
	return r.takeAny(what)
}

// enter is take for a constructed value.
//
//go:noinline
func (r *reader) enter(tag byte, what string) reader {
	body := r.take(tag, what)
	return reader{body, r.off - len(body), r.err}
}

// skip passes over the next value if it has that tag.
func (r *reader) skip(tag byte) {
	if r.next() == tag {
		r.takeAny("optional value")
	}
}

// takeAny returns the contents of the next value whatever its tag.
func (r *reader) takeAny(what string) []byte {
	if *r.err != nil {
		return nil
	}
	head, size, ok := header(r.rest)
	if !ok || size > len(r.rest)-head {
		r.fail(what + " is cut off or has no sound length")
		return nil
	}
	body := r.rest[head:][:size:size]
	r.rest = r.rest[head+size:]
	r.off += head + size
	return body
}

// oid takes an object identifier: numbers of seven bits a byte, none with a
// leading zero, the last one complete.
func (r *reader) oid(what string) []byte {
	id := r.take(tagOID, what)
	ok := len(id) > 0 && id[len(id)-1] < 0x80
	for i, b := range id {
		if b == 0x80 && (i == 0 || id[i-1] < 0x80) {
			ok = false
		}
	}
	if !ok {
		r.fail(what + " is not an object identifier")
	}
	return id
}

// integer takes a number: at least one byte, and none that only repeats the
// sign.
func (r *reader) integer(what string) []byte {
	n := r.take(tagInteger, what)
	if len(n) == 0 || len(n) > 1 && (n[0] == 0 && n[1] < 0x80 || n[0] == 0xff && n[1] >= 0x80) {
		r.fail(what + " is not a sound number")
	}
	return n
}

// parameter takes the one value that may be behind the identifier of an
// algorithm. Only of the simplest types is the content looked at.
func (r *reader) parameter(what string) {
	if !r.more() {
		return
	}
	before := *r
	switch tag := r.next(); tag {
	case tagOID:
		r.oid(what)
	case tagInteger:
		r.integer(what)
	default:
		n := len(r.takeAny(what))
		if tag == tagNull && n != 0 || tag == tagBoolean && n != 1 || tag == 0 || tag == tagBitString && n == 0 {
			before.fail(what + " has the wrong length")
		}
	}
	r.end(what)
}

// algorithm takes the identifier of an algorithm with its parameter.
func (r *reader) algorithm(what string) []byte {
	id := r.enter(tagSequence, what)
	oid := id.oid(what)
	id.parameter("parameter of the " + what)
	return oid
}

// text takes a value that is a part of a name.
func (r *reader) text(what string) []byte {
	before := *r
	tag := r.next()
	value := r.takeAny(what)
	ok := true
	switch tag {
	case tagUTF8, tagUTF8 | constructed:
		ok = utf8.Valid(value)
	case tagBMP:
		ok = len(value)%2 == 0
	case tagUniversal:
		ok = len(value)%4 == 0
	case tagSequence:
		value = before.rest[:r.off-before.off] // OpenSSL keeps it with its head
	case tagBitString, tagNumeric, tagPrintable, tagT61, tagIA5:
	default:
		ok = false
	}
	if !ok {
		before.fail(what + " is not text")
	}
	return value
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

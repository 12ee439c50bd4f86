package pkcs7

import (
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A document is what all readers of a message share.
type document struct {
	err     error // the first one: after it they yield nothing more
	digits  int   // bytes that a length may have behind the first one
	unended bool  // the mark that ends a value of open length is missing: an error, unless there is one before
}

// A reader walks over the values of a constructed value.
type reader struct {
	*document
	rest cryptobyte.String
	off  int  // of rest in the message
	open bool // the value's length was left open
}

// fail notes an error at the reader's place, unless there is one already.
func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = &SyntaxError{r.off, what}
	}
}

// more reports whether there is another value.
func (r *reader) more() bool { return r.err == nil && len(r.rest) > 0 }

// end wants that there is none.
func (r *reader) end(what string) {
	if r.more() {
		r.fail("more than belongs to the " + what)
	}
}

// next returns the tag of the next value, 0 at the end.
func (r *reader) next() asn1.Tag {
	if !r.more() {
		return 0
	}
	return asn1.Tag(r.rest[0])
}

// take returns the contents of the next value, which must have that tag; what names it in the error.
func (r *reader) take(tag asn1.Tag, what string) []byte {
	if r.next() != tag {
		r.fail("no " + what)
	}
	return r.enterAny(what).rest
}

// enter is take for a constructed value.
func (r *reader) enter(tag asn1.Tag, what string) reader {
	if r.next() != tag {
		r.fail("no " + what)
	}
	return r.enterAny(what)
}

// skip passes over the next value if it has that tag, and reports whether it had.
func (r *reader) skip(tag asn1.Tag) bool {
	if r.next() != tag {
		return false
	}
	r.enterAny("optional value")
	return true
}

// enterAny returns a reader of the contents of the next value, whatever its tag.
func (r *reader) enterAny(what string) reader {
	if r.err != nil {
		return reader{document: r.document}
	}
	rest, body := r.rest, cryptobyte.String(nil)
	mark, ok := 0, rest.ReadAnyASN1(&body, nil)
	if !ok {
		mark, ok = r.readBER(&rest, &body)
	}
	if !ok {
		r.fail(what + " is cut off or has no sound length")
		return reader{document: r.document}
	}
	r.off += len(r.rest) - len(rest)
	r.rest = rest
	return reader{r.document, body[:len(body):len(body)], r.off - max(mark, 0) - len(body), mark != 0}
}

// oid takes an object identifier: numbers of seven bits a byte, none with a leading zero, the last one complete.
// Their size is not limited, as it is in the library.
func (r *reader) oid(what string) []byte {
	id := r.take(asn1.OBJECT_IDENTIFIER, what)
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

// integer takes a number: at least one byte, and none that only repeats the sign.
func (r *reader) integer(what string) []byte {
	n := r.take(asn1.INTEGER, what)
	if len(n) == 0 || len(n) > 1 && (n[0] == 0 && n[1] < 0x80 || n[0] == 0xff && n[1] >= 0x80) {
		r.fail(what + " is not a sound number")
	}
	return n
}

// parameter takes the one value that may be behind the identifier of an algorithm. Only of the simplest types is the
// content looked at.
func (r *reader) parameter(what string) {
	if !r.more() {
		return
	}
	before := *r
	switch tag := r.next(); tag {
	case asn1.OBJECT_IDENTIFIER:
		r.oid(what)
	case asn1.INTEGER:
		r.integer(what)
	default:
		n := len(r.enterAny(what).rest)
		if tag == asn1.NULL && n != 0 || tag == asn1.BOOLEAN && n != 1 || tag == 0 ||
			tag == asn1.BIT_STRING && n == 0 {
			before.fail(what + " has the wrong length")
		}
	}
	r.end(what)
}

// algorithm takes the identifier of an algorithm with its parameter.
func (r *reader) algorithm(what string) []byte {
	id := r.enter(asn1.SEQUENCE, what)
	oid := id.oid(what)
	id.parameter("parameter of the " + what)
	return oid
}

// text takes a value that is a part of a name.
func (r *reader) text(what string) []byte {
	before := *r
	tag := r.next()
	value := []byte(r.enterAny(what).rest)
	ok := true
	switch tag {
	case asn1.UTF8String, asn1.UTF8String | constructed:
		ok = utf8.Valid(value)
	case tagBMP:
		ok = len(value)%2 == 0
	case tagUniversal:
		ok = len(value)%4 == 0
	case asn1.SEQUENCE:
		value = before.rest[:r.off-before.off] // OpenSSL keeps it with its head
	case asn1.BIT_STRING, tagNumeric, asn1.PrintableString, asn1.T61String, asn1.IA5String:
	default:
		ok = false
	}
	if !ok {
		before.fail(what + " is not text")
	}
	return value
}

// readBER takes the next value with a length that DER forbids, but OpenSSL and the kernel take: one that has more
// bytes than it needs or, of a constructed value, one left open: then a mark ends the value, whose size is returned.
// If the mark is missing it is -1, and the value is all there is.
func (d *document) readBER(s, body *cryptobyte.String) (mark int, ok bool) {
	rest := *s
	_, size, ok := readHeader(&rest, d.digits)
	if !ok {
		return 0, false
	}
	*body = rest
	if size >= 0 {
		*body, *s = rest[:size], rest[size:]
		return 0, true
	}
	for open := 1; ; {
		left := len(rest)
		tag, size, ok := readHeader(&rest, d.digits)
		switch {
		case !ok || !rest.Skip(max(size, 0)):
			d.unended = true
			*s = nil
			return -1, true
		case size < 0:
			open++
		case tag == 0 && size == 0:
			if open--; open == 0 {
				*body, *s = (*body)[:len(*body)-left], rest
				return len(endMark), true
			}
		}
	}
}

// endMark ends a value of open length.
const endMark = "\x00\x00"

// readHeader takes the tag, of one byte, and the length of a value: -1 for one left open, else no more than there is.
func readHeader(s *cryptobyte.String, digits int) (tag asn1.Tag, size int, ok bool) {
	var t, first uint8
	if !s.ReadUint8(&t) || !s.ReadUint8(&first) || t&0x1f == 0x1f {
		return 0, 0, false
	}
	tag = asn1.Tag(t)
	if first < 0x80 {
		return tag, int(first), int(first) <= len(*s)
	}
	if first == 0x80 {
		return tag, -1, tag&constructed != 0
	}
	var number []byte
	if !s.ReadBytes(&number, int(first&0x7f)) || len(number) > digits {
		return 0, 0, false
	}
	for _, b := range number {
		if size = size<<8 | int(b); size > len(*s) {
			return 0, 0, false
		}
	}
	return tag, size, true
}

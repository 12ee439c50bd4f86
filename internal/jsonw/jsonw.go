// Package jsonw writes JSON without reflection, which would cost every start
// of the program.
//
// The caller makes the calls in the order of the text; commas and indentation
// come by themselves. Nothing is checked: a key outside an object is written
// as it is asked for.
//
// The methods are not inlined: the tools have some hundred calls of them, and
// copies of their bodies took 50 kB of the binary.
package jsonw

import (
	"strconv"
	"unicode/utf8"
)

// A Writer collects JSON text. The zero value is ready to use.
type Writer struct {
	buf   []byte
	depth int
	first bool // no element yet at this depth
	keyed bool // a key has just been written
}

// Bytes returns what has been written.
func (w *Writer) Bytes() []byte { return w.buf }

// Reset forgets what has been written, for reuse of the memory. The depth
// stays, so that long output can be handed on in pieces.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// BeginObject opens an object.
//
//go:noinline
func (w *Writer) BeginObject() { w.open('{') }

// EndObject closes it.
//
//go:noinline
func (w *Writer) EndObject() { w.close('}') }

// BeginArray opens an array.
//
//go:noinline
func (w *Writer) BeginArray() { w.open('[') }

// EndArray closes it.
//
//go:noinline
func (w *Writer) EndArray() { w.close(']') }

// Key writes the key of the value that comes next.
//
//go:noinline
func (w *Writer) Key(key string) {
	w.element()
	w.buf = append(AppendString(w.buf, key), ": "...)
	w.keyed = true
}

// String writes a string.
//
//go:noinline
func (w *Writer) String(s string) {
	w.element()
	w.buf = AppendString(w.buf, s)
}

// Int writes a number.
//
//go:noinline
func (w *Writer) Int(n int64) {
	w.element()
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

// Bool writes true or false.
//
//go:noinline
func (w *Writer) Bool(b bool) {
	w.element()
	w.buf = strconv.AppendBool(w.buf, b)
}

// Null writes null.
//
//go:noinline
func (w *Writer) Null() {
	w.element()
	w.buf = append(w.buf, "null"...)
}

// Strings writes an array of strings; an empty one for nil.
//
//go:noinline
func (w *Writer) Strings(list []string) {
	w.BeginArray()
	for _, s := range list {
		w.String(s)
	}
	w.EndArray()
}

// Newline ends the text with a newline, after the outermost value.
func (w *Writer) Newline() { w.buf = append(w.buf, '\n') }

func (w *Writer) open(c byte) {
	w.element()
	w.buf = append(w.buf, c)
	w.depth++
	w.first = true
}

func (w *Writer) close(c byte) {
	w.depth--
	if !w.first {
		w.indent()
	}
	w.first = false
	w.buf = append(w.buf, c)
}

// element does what has to come before a value or a key.
func (w *Writer) element() {
	if w.keyed {
		w.keyed = false
		return
	}
	if w.depth == 0 {
		return
	}
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
	w.indent()
}

func (w *Writer) indent() {
	w.buf = append(w.buf, '\n')
	for range w.depth {
		w.buf = append(w.buf, "  "...)
	}
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

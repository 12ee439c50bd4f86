package cli

import (
	"io"
	"os"
	"unicode"
	"unicode/utf8"
)

// visible escapes control characters on their way to a terminal. Names and texts out of modules, kernels and images can
// hold any bytes, and could move the cursor, change the screen, or make the terminal send input. Files and pipes get
// all bytes unchanged.
type visible struct {
	w        io.Writer
	terminal func() bool
	asked    bool
	escapes  bool
	rest     []byte // an incomplete character at the end of the last Write
}

// newVisible returns a writer in front of a standard stream.
func newVisible(f *os.File) *visible {
	return &visible{w: f, terminal: func() bool { return IsTerminal(f) }}
}

// Write writes b, with control characters escaped if w is a terminal.
func (v *visible) Write(b []byte) (int, error) {
	if !v.asked {
		v.asked, v.escapes = true, v.terminal()
	}
	if !v.escapes {
		return v.w.Write(b)
	}
	text := append(v.rest, b...)
	end := len(text)
	for i := max(0, end-utf8.UTFMax); i < end; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			end = i
		}
	}
	v.rest = append([]byte(nil), text[end:]...)
	if _, err := v.w.Write(escape(text[:end])); err != nil {
		return 0, err
	}
	return len(b), nil
}

// escape writes control characters, and bytes that are no character, as \xNN, except newlines, tabs and the zeros of
// modinfo -0.
func escape(text []byte) []byte {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		plain := r == '\n' || r == '\t' || r == 0 ||
			!unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r)
		if plain && (r != utf8.RuneError || n > 1) {
			out = append(out, text[:n]...)
		} else {
			for _, c := range text[:n] {
				out = append(out, '\\', 'x', digits[c>>4], digits[c&15])
			}
		}
		text = text[n:]
	}
	return out
}

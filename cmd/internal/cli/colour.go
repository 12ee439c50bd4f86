package cli

import "io"

// Colour is one that a terminal shows a word in.
type Colour string

// The colours.
const (
	Plain  Colour = ""
	Green  Colour = "\x1b[32m"
	Yellow Colour = "\x1b[33m"
	Red    Colour = "\x1b[31m"
)

// IsColourWord reports whether a word is one that --color takes.
func IsColourWord(word string) bool { return word == "never" || word == "auto" || word == "always" }

// Colours reports whether standard output is to be coloured: when is the word of --color, or "" for auto, which means
// on a terminal, unless NO_COLOR is set.
func (l *Logger) Colours(when string) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	return l.Env.Getenv("NO_COLOR") == "" && l.Env.Getenv("TERM") != "dumb" && IsTerminal(l.Env.Stdout)
}

// Coloured adds a text in a colour. What is in the buffer is written first, since the terminal would be shown the
// escape sequence in place of the colour otherwise.
func (o *Output) Coloured(c Colour, text string) {
	if c == Plain {
		io.WriteString(o, text)
		return
	}
	o.Flush()
	writeRaw(o.w, string(c))
	io.WriteString(o, text)
	o.Flush()
	writeRaw(o.w, "\x1b[0m")
}

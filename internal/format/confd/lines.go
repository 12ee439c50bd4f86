package confd

import (
	"iter"
	"strings"
)

// Lines returns the logical lines of a configuration file, each with the number, from 1, of the last physical line in
// it. A backslash before a newline joins two lines; before any other byte it is dropped and the byte kept (so a
// backslash is written as two). Lines that are blank or begin with '#' are left out. A NUL byte ends the line's text.
func Lines(data []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		text := string(data) // once: lines are parts of it
		number := 0
		for len(text) > 0 {
			var line string
			var physical int
			line, physical, text = logical(text)
			number += physical
			if i := strings.IndexByte(line, 0); i >= 0 {
				line = line[:i]
			}
			if strings.Trim(line, " \t") == "" || line[0] == '#' {
				continue
			}
			if !yield(number, line) {
				return
			}
		}
	}
}

// logical cuts the first logical line off a text, and counts the physical lines in it.
func logical(text string) (line string, physical int, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	if strings.IndexByte(line, '\\') < 0 {
		return line, 1, rest
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\n' {
			return b.String(), physical + 1, text[i+1:]
		}
		if c == '\\' {
			i++
			if i == len(text) {
				break
			}
			if c = text[i]; c == '\n' {
				physical++
				continue
			}
		}
		b.WriteByte(c)
	}
	return b.String(), physical + 1, ""
}

// Word cuts the first word off a line: blanks and tabs before it are skipped, and the one blank or tab after it is
// dropped. Further blanks stay at the beginning of rest, where they belong to the value of, say, an options line.
func Word(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t")
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i+1:]
	}
	return line, ""
}

package confd

import (
	"bytes"
	"iter"
	"strings"
)

// Lines returns the logical lines of a configuration file, each with the number, from 1, of the last physical line in
// it. A backslash before a newline joins two lines; before any other byte it is dropped and the byte kept (so a backslash
// is written as two). Lines that are blank or begin with '#' are left out. A NUL byte ends the line's text.
func Lines(data []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for len(data) > 0 {
			var line string
			var physical int
			line, physical, data = logical(data)
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

// logical cuts the first logical line off data, and counts the physical lines in it.
func logical(data []byte) (line string, physical int, rest []byte) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		end = len(data)
	}
	if bytes.IndexByte(data[:end], '\\') < 0 {
		return string(data[:end]), 1, data[min(end+1, len(data)):]
	}
	var b strings.Builder
	for i := 0; i < len(data); i++ {
		c := data[i]
		if c == '\n' {
			return b.String(), physical + 1, data[i+1:]
		}
		if c == '\\' {
			i++
			if i == len(data) {
				break
			}
			if c = data[i]; c == '\n' {
				physical++
				continue
			}
		}
		b.WriteByte(c)
	}
	return b.String(), physical + 1, nil
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

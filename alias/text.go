package alias

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Entry says that a module drives what a pattern matches.
type Entry struct {
	// Pattern is the alias, with wildcards, as the module has it.
	Pattern string
	// Module is the name of the module.
	Module string
}

// LineError says that a line of modules.alias is not understood.
type LineError struct {
	// Line is its number, from 1.
	Line int
	// Text is the line.
	Text string
}

// Error implements error.
func (e *LineError) Error() string {
	return fmt.Sprintf("line %d: %.64q is not an alias", e.Line, e.Text)
}

// Parse yields the entries of a file in the format of modules.alias: lines "alias PATTERN MODULE", and comments that
// begin with '#'. A pattern may have blanks in it. For a line that is something else it yields a *LineError and goes
// on; after an error of r it ends.
func Parse(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := bufio.NewReaderSize(r, 1<<14)
		for n := 1; ; n++ {
			line, err := lines.ReadString('\n')
			if err != nil && err != io.EOF {
				yield(Entry{}, err)
				return
			}
			if text := strings.TrimSuffix(line, "\n"); text != "" && text[0] != '#' {
				entry, ok := parseLine(text)
				var bad error
				if !ok {
					bad = &LineError{n, text}
				}
				if !yield(entry, bad) {
					return
				}
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// parseLine reads one line without its newline.
func parseLine(line string) (Entry, bool) {
	rest, ok := strings.CutPrefix(line, "alias ")
	if !ok {
		return Entry{}, false
	}
	i := strings.LastIndexByte(rest, ' ')
	if i <= 0 || i == len(rest)-1 {
		return Entry{}, false
	}
	return Entry{rest[:i], rest[i+1:]}, true
}

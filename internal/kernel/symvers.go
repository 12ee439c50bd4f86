package kernel

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// A Problem is a line of a file that is wrong or suspicious.
type Problem struct {
	Line int    // first line is 1; 0: the file as a whole
	Text string // what is wrong and what follows from it
}

// ErrSymvers reports that a file has no line of a Module.symvers.
var ErrSymvers = errors.New("not a Module.symvers: no line of it is CRC, symbol, module, export type")

// ParseSymvers reads a Module.symvers file of any kernel: with three columns (2.6), four (up to 5.3), the namespace
// third (5.4.0) or last (since). Lines that are no entry are passed over and reported, as are zero CRCs among others,
// columns out of order and contradicting duplicates. The table's strings are copies of data's.
func ParseSymvers(source string, data []byte) (*Table, []Problem, error) {
	p := symversParser{crc: map[string]uint32{}}
	text := string(data)
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if line = strings.TrimSuffix(line, "\r"); line != "" && line[0] != '#' {
			p.line(n, line)
		}
	}
	if len(p.symbols) == 0 {
		return nil, p.problems, fmt.Errorf("%s: %w", source, ErrSymvers)
	}
	p.finish()
	return NewTable(source, p.symbols), p.problems, nil
}

// symversParser collects the entries of one file and what it takes to judge them together.
type symversParser struct {
	symbols  []Symbol
	problems []Problem
	zero     []int // lines whose CRC is 0
	third    []int // lines with the namespace third (5.4.0)
	last     int   // number of lines with the namespace last
	crc      map[string]uint32
}

func (p *symversParser) problem(line int, format string, args ...any) {
	if len(p.problems) < 100 {
		p.problems = append(p.problems, Problem{line, fmt.Sprintf(format, args...)})
	}
}

func (p *symversParser) line(n int, line string) {
	f := strings.Split(line, "\t")
	if len(f) == 1 {
		if f = strings.Fields(line); len(f) > 2 {
			p.problem(n, "columns are separated by blanks, not tabs: modpost does not read this line")
		}
	}
	if len(f) < 3 {
		p.problem(n, "not an entry (CRC, symbol, module, export type)")
		return
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }) {
		p.problem(n, "a control character in the line %q: the symbol is passed over", line)
		return
	}
	crc, ok := hexCRC(f[0])
	if !ok {
		p.problem(n, "%q is not a CRC", f[0])
		return
	}
	s := Symbol{Name: f[1], CRC: crc, HasCRC: crc != 0}
	module, export, at := f[2], "", 0
	for i := 3; i < len(f); i++ {
		if strings.HasPrefix(f[i], "EXPORT_") {
			export, at = f[i], i
			break
		}
	}
	switch {
	case s.Name == "":
		p.problem(n, "the symbol's name is missing")
		return
	case len(f) == 3 && !strings.HasPrefix(module, "EXPORT_"):
		// three columns: before exports were told apart
	case at == 3 && len(f) == 4:
	case at == 3:
		s.Namespace = f[4]
		p.last++
	case at == 4:
		s.Namespace, module = f[2], f[3]
		p.third = append(p.third, n)
	default:
		p.problem(n, "no export type (EXPORT_SYMBOL, EXPORT_SYMBOL_GPL) in column 4: the columns are "+
			"shifted, the symbol is passed over")
		return
	}
	s.GPL = strings.HasSuffix(export, "_GPL")
	if s.Owner = OwnerName(module); s.Owner == "" {
		p.problem(n, "the module's name is missing: the symbol is passed over")
		return
	}
	if old, dup := p.crc[s.Name]; dup && old != crc {
		p.problem(n, "%s is listed twice with different CRCs, 0x%08x and 0x%08x: the first counts", s.Name, old,
			crc)
	} else if !dup {
		p.crc[s.Name] = crc
	}
	if crc == 0 {
		p.zero = append(p.zero, n)
	}
	p.symbols = append(p.symbols, s)
}

// finish reports what only the whole file shows.
func (p *symversParser) finish() {
	if z := len(p.zero); z > 0 && z < len(p.symbols) {
		p.problem(p.zero[0], "%d of %d symbols have CRC 0x00000000 (first here): the line was made by hand, "+
			"or the exporter was built without "+
			"symbol versions; a kernel with versions refuses modules built against it", z, len(p.symbols))
	}
	if len(p.third) > 0 && p.last > 0 {
		p.problem(p.third[0], "%d lines have the namespace before the module (as kernel 5.4 wrote it), the "+
			"others after the export type: "+
			"modpost reads the module's name as export type there", len(p.third))
	}
}

// hexCRC reads 0x and up to eight digits; wider values of 64-bit builds count if the upper half is zero.
func hexCRC(s string) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 16, 64)
	return uint32(v), err == nil && v>>32 == 0
}

// OwnerName makes a module's name of the path in a Module.symvers: "drivers/net/foo-bar" is foo_bar.
func OwnerName(p string) string {
	if p == Core {
		return Core
	}
	base, _, _ := strings.Cut(path.Base(p), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// WriteSymvers writes symbols as Module.symvers lines of today's form. modpath, if not nil, gives the path of an owner
// for the module column; else its name stands there.
func WriteSymvers(w io.Writer, symbols []Symbol, modpath func(owner string) string) error {
	b := make([]byte, 0, 64*len(symbols)) // mostly enough
	for _, s := range symbols {
		export := "EXPORT_SYMBOL"
		if s.GPL {
			export = "EXPORT_SYMBOL_GPL"
		}
		owner := s.Owner
		if modpath != nil && owner != Core {
			owner = modpath(owner)
		}
		b = append(b, "0x"...)
		for shift := 28; shift >= 0; shift -= 4 {
			b = append(b, "0123456789abcdef"[s.CRC>>shift&15])
		}
		for _, column := range []string{s.Name, owner, export, s.Namespace} {
			b = append(append(b, '\t'), column...)
		}
		b = append(b, '\n')
	}
	_, err := w.Write(b)
	return err
}

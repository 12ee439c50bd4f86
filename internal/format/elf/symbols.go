package elf

import (
	"bytes"
	"errors"
)

// symbols is the symbol table with its strings.
type symbols struct {
	f     *File
	table []byte
	off   uint64 // where the table starts in the file
	strs  []byte
	size  int   // of an entry
	kept  int64 // bytes of names that have been given away
}

// symbols returns the table, which is empty if the module has none.
func (f *File) symbols() (*symbols, error) {
	s := &symbols{f: f, size: symsize32}
	if f.wide {
		s.size = symsize64
	}
	var err error
	if s.strs, _, err = f.contents(".strtab"); err == nil {
		s.table, s.off, err = f.contents(".symtab")
	}
	if errors.Is(err, ErrNoSection) {
		s.table, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(s.table)%s.size != 0 {
		return nil, badf(s.off, "symbol table of %d bytes is not a whole number of entries", len(s.table))
	}
	return s, nil
}

func (s *symbols) len() int { return len(s.table) / s.size }

func (s *symbols) entry(i int) []byte { return s.table[i*s.size:][:s.size:s.size] }

// maxSymbolName is what is read of a symbol's name: many symbols may have one long name.
const maxSymbolName = 1 << 14

// name returns the name of the i-th symbol; nil if it is bad.
func (s *symbols) name(i int) []byte {
	off := uint64(s.f.u32(s.entry(i)))
	if off >= uint64(len(s.strs)) {
		return nil
	}
	strs := s.strs[off:min(uint64(len(s.strs)), off+maxSymbolName)]
	name, _, _ := bytes.Cut(strs, []byte{0}) // as with kmod, the last one may lack its NUL
	return name[:len(name):len(name)]
}

// overlap is how often the string table, on average, is in the names that a module's symbols have. Linkers store a
// name once, and the end of another where that is the same; but in a file that was made for it a million names can be
// each the end of the one before.
const overlap = 16

// keep counts a name that is given away, for instance as a string of its own. It is an error if these become far more
// than the file has.
func (s *symbols) keep(i int, name []byte) error {
	if s.kept += int64(len(name)); s.kept > overlap*int64(len(s.strs))+maxSymbolName {
		return badf(s.at(i), "names of symbols up to %d are much longer than the string table", i)
	}
	return nil
}

// is reports whether the i-th symbol has that name.
func (s *symbols) is(i int, name string) bool {
	off := uint64(s.f.u32(s.entry(i)))
	end := off + uint64(len(name))
	return end < uint64(len(s.strs)) && s.strs[end] == 0 && string(s.strs[off:end]) == name
}

// bad returns the error of a name that name returned nil for.
func (s *symbols) bad(i int) error {
	return badf(s.at(i), "name of symbol %d lies outside the string table", i)
}

// at returns the offset of the i-th symbol in the file.
func (s *symbols) at(i int) uint64 { return s.off + uint64(i*s.size) }

func (s *symbols) info(i int) byte {
	if s.f.wide {
		return s.entry(i)[4]
	}
	return s.entry(i)[12]
}

func (s *symbols) section(i int) int {
	if s.f.wide {
		return int(s.f.u16(s.entry(i)[6:]))
	}
	return int(s.f.u16(s.entry(i)[14:]))
}

func (s *symbols) value(i int) uint64 {
	if s.f.wide {
		return s.f.u64(s.entry(i)[8:])
	}
	return uint64(s.f.u32(s.entry(i)[4:]))
}

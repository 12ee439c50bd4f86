package elf

import (
	"errors"
)

// A Linker is told by [File.Link] what a module offers and what it needs. The
// names are valid during the call only.
type Linker interface {
	// Export is called for each symbol of [File.Exports], in that order.
	Export(name []byte, crc uint64)
	// Undefined is called for each undefined symbol, in the order of the
	// symbol table.
	Undefined(name []byte, weak bool)
	// Version is called for each entry of __versions after all calls of
	// Undefined, in the order of that section. A leading dot is left in the name.
	Version(name []byte, crc uint64)
}

// Link goes through the module once and tells l what [File.Exports],
// [File.Imports] and [File.Versions] would return, without making lists of it:
// depmod does this for every module there is. After an error, what l has been
// told is not all there is.
func (f *File) Link(l Linker) error {
	if err := f.readAhead(".symtab", ".strtab"); err != nil {
		return err
	}
	syms, err := f.symbols()
	if err != nil {
		return err
	}
	exports := 0
	part := part{f: f}
	sparc := f.machine == emSPARC || f.machine == emSPARCv9
	in := 14 // where an entry says which section the symbol is in
	if f.wide {
		in = 6
	}
	for i := 1; i < syms.len(); i++ {
		entry := syms.entry(i)
		off := f.u32(entry)
		if uint64(off) >= uint64(len(syms.strs)) {
			return syms.bad(i)
		}
		undefined := f.u16(entry[in:]) == shnUndef
		if !undefined && !isPrefixed(syms.strs[off:], crcPrefix) {
			continue // most symbols
		}
		name := syms.name(i)
		if isPrefixed(name, crcPrefix) {
			crc, err := f.checksum(syms, i, &part)
			if err != nil {
				return err
			}
			if err := syms.keep(i, name); err != nil {
				return err
			}
			exports++
			l.Export(name[len(crcPrefix):], crc)
		}
		if !undefined || len(name) == 0 || sparc && syms.info(i)&0xf == sttRegister {
			continue
		}
		if err := syms.keep(i, name); err != nil {
			return err
		}
		l.Undefined(name, syms.info(i)>>4 == stbWeak)
	}
	if exports == 0 {
		list, err := f.stringExports()
		if err != nil && !errors.Is(err, ErrNoSection) {
			return err
		}
		for _, e := range list {
			l.Export([]byte(e.Name), 0)
		}
	}
	if syms.len() == 0 {
		return nil
	}
	return f.linkVersions(l)
}

// linkVersions tells l the entries of __versions.
func (f *File) linkVersions(l Linker) error {
	// Whoever wants to know what a module needs mostly reads .modinfo next.
	if err := f.readAhead(".modinfo", "__versions"); err != nil {
		return err
	}
	if err := f.eachVersion(l.Version); !errors.Is(err, ErrNoSection) {
		return err
	}
	return nil
}

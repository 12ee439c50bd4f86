package elf

import (
	"bytes"
	"errors"
)

// An Export is a symbol that a module offers to others.
type Export struct {
	Name      string // the symbol
	Namespace string // the namespace users have to import; "" for none
	CRC       uint64 // checksum of its type, if HasCRC; all ones if it lies outside its section
	HasCRC    bool   // the symbol has a checksum: the kernel was built with CONFIG_MODVERSIONS
	GPL       bool   // only for modules under a licence compatible with the GPL
}

// Names of what the kernel's build leaves in a module for each export.
const (
	crcPrefix   = "__crc_"       // its checksum
	tablePrefix = "__ksymtab_"   // its entry in __ksymtab or __ksymtab_gpl
	spacePrefix = "__kstrtabns_" // the name of its namespace
	flagsPrefix = "__flags_"     // its entry in __kflagstab, on kernels after 6.19

	tableStrings = "__ksymtab_strings"
	flagGPLOnly  = 1
)

// Exports returns the symbols the module exports, as kmod finds them: one for
// each symbol named __crc_NAME, in the order of the symbol table, or, in a
// module without any, one for each string in __ksymtab_strings. The error is
// [ErrNoSection] if there is neither.
//
// As in kmod a symbol table that is missing or unsound is as good as one that
// names no checksum, and a checksum whose section does not fit in the file is
// all ones.
//
// A symbol __crc_NAME that is itself undefined, left over where the build found no
// type to sum up, has no checksum but makes an export all the same.
//
// The strings of a module without checksums may include names of namespaces;
// [File.ExportTable] has only exports.
func (f *File) Exports() ([]Export, error) {
	syms, err := f.symbols()
	var list []Export
	if err == nil {
		list, err = f.checksums(syms)
	}
	var bad *FormatError
	if list == nil && (err == nil || errors.As(err, &bad)) {
		list, err = f.stringExports()
	}
	if err == nil && syms != nil {
		err = f.describe(syms, list)
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// ExportTable returns the entries of the module's export tables in the order of
// the symbol table: those kmod finds by their checksums and those without. A
// module that exports nothing has none.
func (f *File) ExportTable() ([]Export, error) {
	syms, err := f.symbols()
	if err != nil {
		return nil, err
	}
	var list []Export
	for i := 1; i < syms.len(); i++ {
		name := syms.name(i)
		if isPrefixed(name, tablePrefix) && f.isExportTable(syms.section(i)) {
			if err := syms.keep(i, name); err != nil {
				return nil, err
			}
			list = append(list, Export{Name: string(name[len(tablePrefix):])})
		}
	}
	if err := f.describe(syms, list); err != nil {
		return nil, err
	}
	crcs, err := f.checksums(syms)
	if err != nil {
		return nil, err
	}
	known := make(map[string]Export, len(crcs))
	for _, e := range crcs {
		known[e.Name] = e
	}
	for i := range list {
		e := known[list[i].Name]
		list[i].CRC, list[i].HasCRC = e.CRC, e.HasCRC
	}
	return list, nil
}

// isExportTable reports whether a section is __ksymtab, __ksymtab_gpl or one
// of the tables that old kernels had besides; the names start alike.
func (f *File) isExportTable(index int) bool {
	if index == shnUndef || index >= f.count {
		return false
	}
	name := f.name(f.header(index))
	return isPrefixed(name, "__ksymtab") && string(name) != tableStrings
}

// checksums returns an export for each symbol __crc_NAME; none if the name of a
// symbol is bad.
func (f *File) checksums(syms *symbols) ([]Export, error) {
	var list []Export
	part := part{f: f}
	for i := 1; i < syms.len(); i++ {
		name := syms.name(i)
		if name == nil {
			return nil, nil
		}
		if !isPrefixed(name, crcPrefix) {
			continue
		}
		crc, err := f.checksum(syms, i, &part)
		if err == nil {
			err = syms.keep(i, name)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Export{Name: string(name[len(crcPrefix):]), CRC: crc,
			HasCRC: syms.section(i) != shnUndef})
	}
	return list, nil
}

// checksum returns what the i-th symbol stands for: its value, or, since
// kernel 5.19 and earlier on some machines, the word that it points to.
func (f *File) checksum(syms *symbols, i int, part *part) (uint64, error) {
	index, value := syms.section(i), syms.value(i)
	if index == shnAbs || index == shnUndef {
		return value, nil
	}
	if index >= f.count {
		return 0, badf(syms.at(i), "symbol %d is in section %d of %d", i, index, f.count)
	}
	data, err := part.section(index)
	if err != nil && !errors.Is(err, ErrNoSection) {
		return 0, err
	}
	if value > uint64(len(data)) || uint64(len(data))-value < 4 {
		return ^uint64(0), nil
	}
	return uint64(f.u32(data[value:])), nil
}

// stringExports is what Exports finds in a module without checksums.
func (f *File) stringExports() ([]Export, error) {
	data, off, err := f.contents(tableStrings)
	if err != nil {
		return nil, err
	}
	names := splitStrings(data)
	if len(names) > 0 && data[len(data)-1] != 0 {
		return nil, badf(off+uint64(len(data))-1, tableStrings+" does not end in a NUL")
	}
	list := make([]Export, len(names))
	for i, name := range names {
		list[i].Name = name
	}
	return list, nil
}

// describe fills in what the symbol table tells about exports besides their
// checksums: licence and namespace.
func (f *File) describe(syms *symbols, list []Export) error {
	if len(list) == 0 {
		return nil
	}
	index := make(map[string]int, len(list))
	for i, e := range list {
		index[e.Name] = i
	}
	gpl, flags := f.find("__ksymtab_gpl"), f.find("__kflagstab")
	spaces, flagtab := part{f: f}, part{f: f}
	for i := 1; i < syms.len(); i++ {
		name := syms.name(i)
		if len(name) < 2 || name[0] != '_' || name[1] != '_' {
			continue
		}
		switch in := syms.section(i); {
		case in == shnUndef || in >= f.count:
		case isPrefixed(name, tablePrefix):
			if at, ok := index[string(name[len(tablePrefix):])]; ok && flags == 0 {
				list[at].GPL = in == gpl
			}
		case isPrefixed(name, spacePrefix):
			if at, ok := index[string(name[len(spacePrefix):])]; ok {
				data, err := spaces.section(in)
				if err != nil && !errors.Is(err, ErrNoSection) {
					return err
				}
				data = data[min(syms.value(i), uint64(len(data))):]
				data, _, _ = bytes.Cut(data[:min(len(data), maxSymbolName)], []byte{0})
				if err := syms.keep(i, data); err != nil {
					return err
				}
				list[at].Namespace = string(data)
			}
		case isPrefixed(name, flagsPrefix) && in == flags:
			if at, ok := index[string(name[len(flagsPrefix):])]; ok {
				data, err := flagtab.section(in)
				if err != nil && !errors.Is(err, ErrNoSection) {
					return err
				}
				if v := syms.value(i); v < uint64(len(data)) {
					list[at].GPL = data[v]&flagGPLOnly != 0
				}
			}
		}
	}
	return nil
}

// A part remembers the sections that it has read: symbols of one kind are
// mostly in one section.
type part struct {
	f     *File
	index int // of the section asked for last
	data  []byte
	read  map[int][]byte // all of them
	size  uint64         // of all of them together
}

// section returns the contents of the section with that index, of whatever
// type; the error is ErrNoSection if it does not fit in the file or its name is
// bad.
func (p *part) section(index int) ([]byte, error) {
	if index == p.index && p.index != 0 {
		return p.data, nil
	}
	data, ok := p.read[index]
	if !ok {
		h := p.f.header(index)
		off, size := p.f.extent(h)
		if !p.f.fits(off, size) || p.f.name(h) == nil {
			return nil, p.f.misfit(index)
		}
		if p.size += size; p.size > 4*p.f.size { // sections of a sound file do not overlap
			return nil, badf(off, "section %d overlaps others, as they do each other", index)
		}
		var err error
		if data, err = p.f.read(off, size); err != nil {
			return nil, err
		}
		if p.read == nil {
			p.read = make(map[int][]byte)
		}
		p.read[index] = data
	}
	p.index, p.data = index, data
	return data, nil
}

func isPrefixed(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix
}

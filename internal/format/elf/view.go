package elf

import (
	"bytes"
	"encoding/binary"
)

// A View reads an ELF file as a loader's own structures lie over it, whatever the file says of itself. It checks
// nothing: who reads must know that the place is in the file.
type View struct {
	B     []byte           // the file
	Order binary.ByteOrder // of the reader
	Wide  bool             // 64-bit structures
}

// U16 reads a field of two bytes.
func (e View) U16(off int) uint64 { return uint64(e.Order.Uint16(e.B[off:])) }

// Word reads an address-sized field.
func (e View) Word(off int) uint64 {
	if e.Wide {
		return e.Order.Uint64(e.B[off:])
	}
	return uint64(e.Order.Uint32(e.B[off:]))
}

// Pick chooses by the word size.
func (e View) Pick(wide, narrow int) int {
	if e.Wide {
		return wide
	}
	return narrow
}

// SectionAlloc is the flag of a section that is loaded (SHF_ALLOC).
const SectionAlloc = 2

// A RawSection is one section header, of which nothing has been checked.
type RawSection struct {
	Name  uint32 // offset of its name in the section of names
	Type  uint32 // SHT_PROGBITS and so on
	Link  uint32 // the section it refers to; what for depends on Type
	Info  uint32 // of relocations the section that they change
	Flags uint64 // SHF_ALLOC and so on
	Addr  uint64 // where it is loaded; 0 in modules
	Off   uint64 // where it begins in the file, in bytes
	Size  uint64 // in bytes
	Align uint64 // of its address
}

// Section reads the header of section i.
func (e View) Section(i uint64) RawSection {
	at := int(e.Word(e.Pick(40, 32))) + int(i)*e.Pick(64, 40)
	s := RawSection{Name: e.Order.Uint32(e.B[at:]), Type: e.Order.Uint32(e.B[at+4:])}
	w := e.Pick(8, 4)
	s.Flags, s.Addr, s.Off, s.Size = e.Word(at+8), e.Word(at+8+w), e.Word(at+8+2*w), e.Word(at+8+3*w)
	s.Link, s.Info = e.Order.Uint32(e.B[at+8+4*w:]), e.Order.Uint32(e.B[at+12+4*w:])
	s.Align = e.Word(at + 16 + 4*w)
	return s
}

// Fits reports whether size bytes from off on are in the file.
func (e View) Fits(off, size uint64) bool {
	return off <= uint64(len(e.B)) && size <= uint64(len(e.B))-off
}

// SectionsNamed returns the sections of a name, in order; with alloc, of those that are loaded.
func (e View) SectionsNamed(name string, alloc bool) (found []RawSection) {
	names := e.Section(e.U16(e.Pick(62, 50)))
	for i := uint64(1); i < e.U16(e.Pick(60, 48)); i++ {
		s := e.Section(i)
		if alloc && s.Flags&SectionAlloc == 0 || uint64(s.Name) >= names.Size {
			continue
		}
		if bytes.HasPrefix(e.B[names.Off+uint64(s.Name):names.Off+names.Size], []byte(name+"\x00")) {
			found = append(found, s)
		}
	}
	return found
}

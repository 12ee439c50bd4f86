package elf

import (
	"bytes"
	"fmt"
)

// A Section is an entry of the section header table; fields are named as in
// elf(5), numbers are as in the file.
type Section struct {
	Name    string // name, "" if its offset is bad
	Type    uint32 // sh_type
	Flags   uint64 // sh_flags
	Addr    uint64 // sh_addr
	Off     uint64 // sh_offset
	Size    uint64 // sh_size, in bytes
	Link    uint32 // sh_link
	Info    uint32 // sh_info
	Align   uint64 // sh_addralign
	EntSize uint64 // sh_entsize
	Index   int    // place in the table
}

func (f *File) shsize() uint64 {
	if f.wide {
		return shsize64
	}
	return shsize32
}

// header returns the i-th section header, as stored.
func (f *File) header(i int) []byte {
	n := int(f.shsize())
	return f.headers[i*n:][:n:n]
}

// extent returns where a section lies in the file.
func (f *File) extent(h []byte) (off, size uint64) {
	if f.wide {
		return f.u64(h[24:]), f.u64(h[32:])
	}
	return uint64(f.u32(h[16:])), uint64(f.u32(h[20:]))
}

// maxSectionName is what is read of a section's name: many sections may have one long name.
const maxSectionName = 1 << 10

// name returns the name of a section; nil if its offset is bad.
func (f *File) name(h []byte) []byte {
	off := uint64(f.u32(h))
	if off >= uint64(len(f.names)) {
		return nil
	}
	name := f.names[off:min(uint64(len(f.names)), off+maxSectionName)]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	return name
}

// find returns the index of the first section of that name, or 0.
func (f *File) find(name string) int {
	for i := 1; i < f.count; i++ {
		off := uint64(f.u32(f.header(i)))
		// The table ends in a NUL, and so does each name in it.
		if end := off + uint64(len(name)); end < uint64(len(f.names)) && f.names[end] == 0 &&
			string(f.names[off:end]) == name {
			return i
		}
	}
	return 0
}

// Sections returns the number of entries of the section header table; the
// first one, with index 0, stands for no section.
func (f *File) Sections() int { return f.count }

// SectionAt returns the i-th section, with 0 ≤ i < f.Sections().
func (f *File) SectionAt(i int) *Section {
	h := f.header(i)
	s := &Section{Name: string(f.name(h)), Type: f.u32(h[4:]), Index: i}
	s.Off, s.Size = f.extent(h)
	if f.wide {
		s.Flags, s.Addr = f.u64(h[8:]), f.u64(h[16:])
		s.Link, s.Info = f.u32(h[40:]), f.u32(h[44:])
		s.Align, s.EntSize = f.u64(h[48:]), f.u64(h[56:])
	} else {
		s.Flags, s.Addr = uint64(f.u32(h[8:])), uint64(f.u32(h[12:]))
		s.Link, s.Info = f.u32(h[24:]), f.u32(h[28:])
		s.Align, s.EntSize = uint64(f.u32(h[32:])), uint64(f.u32(h[36:]))
	}
	return s
}

// Section returns the first section of that name.
func (f *File) Section(name string) (*Section, bool) {
	i := f.find(name)
	if i == 0 {
		return nil, false
	}
	return f.SectionAt(i), true
}

// CheckSections returns an error about the first section that does not fit in
// the file. The kernel refuses such a module; kmod goes on without the section.
func (f *File) CheckSections() error {
	for i := 1; i < f.count; i++ {
		if h := f.header(i); f.u32(h[4:]) != shtNobits && !f.fits(f.extent(h)) {
			return f.misfit(i)
		}
	}
	return nil
}

// misfit is the error about a section that does not fit in the file.
func (f *File) misfit(i int) error {
	return &FormatError{
		Off:  int64(f.shoff + uint64(i)*f.shsize()),
		What: fmt.Sprintf("section %d, %q, does not fit in the file", i, f.name(f.header(i))),
		Err:  ErrNoSection,
	}
}

// Data returns the contents of a section of this file; nothing for one that
// occupies no space in the file.
func (f *File) Data(s *Section) ([]byte, error) {
	if s.Type == shtNobits {
		return nil, nil
	}
	if !f.fits(s.Off, s.Size) {
		return nil, f.misfit(s.Index)
	}
	return f.read(s.Off, s.Size)
}

// Content returns the contents of the section of that name; nil if there is none, or it lies outside the file.
func (f *File) Content(name string) []byte {
	s, ok := f.Section(name)
	if !ok {
		return nil
	}
	data, err := f.Data(s)
	if err != nil {
		return nil
	}
	return data
}

// contents returns what the first section of that name holds, whatever its
// type, and where it starts; the error is ErrNoSection if there is none to be
// read.
func (f *File) contents(name string) (data []byte, off uint64, err error) {
	i := f.find(name)
	if i == 0 {
		return nil, 0, ErrNoSection
	}
	off, size := f.extent(f.header(i))
	if !f.fits(off, size) {
		return nil, off, f.misfit(i)
	}
	data, err = f.read(off, size)
	return data, off, err
}

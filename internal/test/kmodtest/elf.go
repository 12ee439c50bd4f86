package kmodtest

import (
	"debug/elf"
	"encoding/binary"
	"slices"
)

// A writer collects sections and symbols and lays them out at the end.
type writer struct {
	m        *Module
	order    binary.AppendByteOrder
	wide     bool // 64 bit
	arch     arch
	sections []section
	locals   []symbol
	globals  []symbol
}

type section struct {
	name    string
	typ     elf.SectionType
	flags   elf.SectionFlag
	align   int
	data    []byte
	entsize int
	target  int // for relocations: the section they apply to
	relocs  []reloc
}

type symbol struct {
	name    string
	value   uint64
	size    uint64
	section int // section number, or one of SHN_*
	bind    elf.SymBind
	typ     elf.SymType
}

// A reloc refers to its symbol by name, since the numbers are known at the end only.
type reloc struct {
	off    int
	symbol string
	typ    uint32
}

func newWriter(m *Module) *writer {
	w := &writer{m: m, order: binary.LittleEndian, wide: m.Class != 32}
	if m.Big {
		w.order = binary.BigEndian
	}
	machine := m.Machine
	if machine == 0 {
		machine = elf.EM_X86_64
		if !w.wide {
			machine = elf.EM_386
		}
	}
	w.arch = archOf(machine, w.wide)
	w.sections = []section{{}}
	return w
}

// long is the size of an address.
func (w *writer) long() int {
	if w.wide {
		return 8
	}
	return 4
}

func (w *writer) appendLong(b []byte, v uint64) []byte {
	if w.wide {
		return w.order.AppendUint64(b, v)
	}
	return w.order.AppendUint32(b, uint32(v))
}

// section adds a section, unless it is to be omitted, and returns its number, or 0.
func (w *writer) section(name string, flags elf.SectionFlag, align int, data []byte) int {
	if slices.Contains(w.m.Omit, name) {
		return 0
	}
	w.sections = append(w.sections, section{name: name, typ: elf.SHT_PROGBITS, flags: flags, align: align,
		data: data})
	return len(w.sections) - 1
}

// relocate adds a relocation section for section number target.
func (w *writer) relocate(target int, relocs []reloc) {
	if target == 0 || len(relocs) == 0 {
		return
	}
	name, typ, size := ".rela", elf.SHT_RELA, 3*w.long()
	if w.arch.rel {
		name, typ, size = ".rel", elf.SHT_REL, 2*w.long()
	}
	i := w.section(name+w.sections[target].name, elf.SHF_INFO_LINK, w.long(), nil)
	if i != 0 {
		s := &w.sections[i]
		s.typ, s.entsize, s.target, s.relocs = typ, size, target, relocs
	}
}

func (w *writer) note() {
	if len(w.m.BuildID) == 0 {
		return
	}
	b := w.order.AppendUint32(nil, 4)
	b = w.order.AppendUint32(b, uint32(len(w.m.BuildID)))
	b = w.order.AppendUint32(b, 3) // NT_GNU_BUILD_ID
	b = append(b, "GNU\x00"...)
	b = pad(append(b, w.m.BuildID...), 4)
	if i := w.section(".note.gnu.build-id", elf.SHF_ALLOC, 4, b); i != 0 {
		w.sections[i].typ = elf.SHT_NOTE
	}
}

// text writes one function per export and the two of the module itself; each is 16 bytes of zeros.
func (w *writer) text() {
	names := make([]string, 0, len(w.m.Exports)+2)
	for _, e := range w.m.Exports {
		names = append(names, e.Name)
	}
	names = append(names, "init_module", "cleanup_module")
	i := w.section(".text", elf.SHF_ALLOC|elf.SHF_EXECINSTR, 16, make([]byte, 16*len(names)))
	for n, name := range names {
		w.globals = append(w.globals, symbol{name, uint64(16 * n), 16, i, elf.STB_GLOBAL, elf.STT_FUNC})
	}
}

func (w *writer) thisModule() {
	this := w.m.This
	switch {
	case this.Size == 0 && w.wide:
		this = ThisModule{896, 24, 312, 848}
	case this.Size == 0:
		this = ThisModule{576, 12, 204, 560}
	}
	data := make([]byte, this.Size)
	if this.Name < len(data) {
		copy(data[this.Name:], w.m.name())
	}
	i := w.section(".gnu.linkonce.this_module", elf.SHF_ALLOC|elf.SHF_WRITE, 64, data)
	if i == 0 {
		return
	}
	w.globals = append(w.globals, symbol{"__this_module", 0, uint64(this.Size), i, elf.STB_GLOBAL, elf.STT_OBJECT})
	var relocs []reloc
	if this.Init != 0 {
		relocs = append(relocs, reloc{this.Init, "init_module", w.arch.abs})
	}
	if this.Exit != 0 {
		relocs = append(relocs, reloc{this.Exit, "cleanup_module", w.arch.abs})
	}
	w.relocate(i, relocs)
}

// finish writes symbol and string tables, lays everything out and returns the file.
func (w *writer) finish() []byte {
	numbers := w.symtab()
	w.section(".shstrtab", 0, 1, nil)
	var names strtab
	shnames := make([]uint32, len(w.sections))
	for i := 1; i < len(w.sections); i++ {
		shnames[i] = names.add(w.sections[i].name)
	}
	last := len(w.sections) - 1
	if w.sections[last].name == ".shstrtab" {
		w.sections[last].typ = elf.SHT_STRTAB
		w.sections[last].data = names
	} else {
		last = 0
	}
	symtab := w.number(".symtab")

	b := make([]byte, w.headerSize())
	headers := make([]byte, 0, 64*len(w.sections))
	headers = w.header(headers, 0, &section{}, 0, 0, 0)
	for i := 1; i < len(w.sections); i++ {
		s := &w.sections[i]
		if s.relocs != nil {
			s.data = w.relocData(s.relocs, numbers)
		}
		b = pad(b, s.align)
		link, info := 0, 0
		switch s.typ {
		case elf.SHT_SYMTAB:
			link, info = w.number(".strtab"), len(w.locals)+1
		case elf.SHT_REL, elf.SHT_RELA:
			link, info = symtab, s.target
		}
		headers = w.header(headers, shnames[i], s, len(b), link, info)
		b = append(b, s.data...)
	}
	b = pad(b, 8)
	w.putHeader(b, len(b), last)
	return append(b, headers...)
}

// symtab adds .symtab and .strtab and returns each symbol's number by name.
func (w *writer) symtab() map[string]uint32 {
	var names strtab
	numbers := make(map[string]uint32)
	b := make([]byte, w.symSize())
	for i, s := range slices.Concat(w.locals, w.globals) {
		numbers[s.name] = uint32(i + 1)
		info := byte(s.bind)<<4 | byte(s.typ)
		name := names.add(s.name)
		b = w.order.AppendUint32(b, name)
		if w.wide {
			b = append(b, info, 0)
			b = w.order.AppendUint16(b, uint16(s.section))
			b = w.order.AppendUint64(b, s.value)
			b = w.order.AppendUint64(b, s.size)
		} else {
			b = w.order.AppendUint32(b, uint32(s.value))
			b = w.order.AppendUint32(b, uint32(s.size))
			b = append(b, info, 0)
			b = w.order.AppendUint16(b, uint16(s.section))
		}
	}
	if i := w.section(".symtab", 0, w.long(), b); i != 0 {
		w.sections[i].typ, w.sections[i].entsize = elf.SHT_SYMTAB, w.symSize()
	}
	if i := w.section(".strtab", 0, 1, names); i != 0 {
		w.sections[i].typ = elf.SHT_STRTAB
	}
	return numbers
}

func (w *writer) relocData(relocs []reloc, numbers map[string]uint32) []byte {
	var b []byte
	for _, r := range relocs {
		sym := numbers[r.symbol]
		b = w.appendLong(b, uint64(r.off))
		switch {
		case !w.wide:
			b = w.order.AppendUint32(b, sym<<8|r.typ)
		case w.arch.machine == elf.EM_MIPS: // symbol, then four bytes: special symbol and three types
			b = w.order.AppendUint32(b, sym)
			b = append(b, 0, 0, 0, byte(r.typ))
		default:
			b = w.order.AppendUint64(b, uint64(sym)<<32|uint64(r.typ))
		}
		if !w.arch.rel {
			b = w.appendLong(b, 0)
		}
	}
	return b
}

// number returns the number of the first section of that name, or 0.
func (w *writer) number(name string) int {
	return max(0, slices.IndexFunc(w.sections, func(s section) bool { return s.name == name }))
}

func (w *writer) headerSize() int {
	if w.wide {
		return 64
	}
	return 52
}

func (w *writer) symSize() int {
	if w.wide {
		return 24
	}
	return 16
}

// header appends a section header.
func (w *writer) header(b []byte, name uint32, s *section, off, link, info int) []byte {
	size := len(s.data)
	if s.typ == elf.SHT_NULL {
		size = 0
	}
	b = w.order.AppendUint32(b, name)
	b = w.order.AppendUint32(b, uint32(s.typ))
	for _, v := range []uint64{uint64(s.flags), 0, uint64(off), uint64(size)} {
		b = w.appendLong(b, v)
	}
	b = w.order.AppendUint32(b, uint32(link))
	b = w.order.AppendUint32(b, uint32(info))
	b = w.appendLong(b, uint64(s.align))
	return w.appendLong(b, uint64(s.entsize))
}

// putHeader writes the ELF header into the front of b.
func (w *writer) putHeader(b []byte, shoff, shstrndx int) {
	class, data, shentsize := elf.ELFCLASS64, elf.ELFDATA2LSB, 64
	if !w.wide {
		class, shentsize = elf.ELFCLASS32, 40
	}
	if w.m.Big {
		data = elf.ELFDATA2MSB
	}
	h := append([]byte(elf.ELFMAG), byte(class), byte(data), byte(elf.EV_CURRENT))
	h = pad(h, 16)
	h = w.order.AppendUint16(h, uint16(elf.ET_REL))
	h = w.order.AppendUint16(h, uint16(w.arch.machine))
	h = w.order.AppendUint32(h, uint32(elf.EV_CURRENT))
	h = w.appendLong(h, 0)
	h = w.appendLong(h, 0)
	h = w.appendLong(h, uint64(shoff))
	h = w.order.AppendUint32(h, w.m.Flags)
	for _, v := range []int{w.headerSize(), 0, 0, shentsize, len(w.sections), shstrndx} {
		h = w.order.AppendUint16(h, uint16(v))
	}
	copy(b, h)
}

// pad appends zeros up to a multiple of align.
func pad(b []byte, align int) []byte {
	for align > 1 && len(b)%align != 0 {
		b = append(b, 0)
	}
	return b
}

// A strtab is a string table; it begins with an empty string.
type strtab []byte

// add appends s and returns its offset.
func (t *strtab) add(s string) uint32 {
	if len(*t) == 0 {
		*t = append(*t, 0)
	}
	if s == "" {
		return 0
	}
	off := len(*t)
	*t = append(append(*t, s...), 0)
	return uint32(off)
}

package kernelabi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
)

// elfView reads a module file as the kernel's own structures lie over it, whatever the file says of itself.
type elfView struct {
	b     []byte
	order binary.ByteOrder
	wide  bool
}

func (e elfView) u16(off int) uint64 { return uint64(e.order.Uint16(e.b[off:])) }

// word reads an address-sized field.
func (e elfView) word(off int) uint64 {
	if e.wide {
		return e.order.Uint64(e.b[off:])
	}
	return uint64(e.order.Uint32(e.b[off:]))
}

// pick chooses by the word size.
func (e elfView) pick(wide, narrow int) int {
	if e.wide {
		return wide
	}
	return narrow
}

// An elfSection is one section header.
type elfSection struct {
	name, typ, link        uint32
	flags, addr, off, size uint64
}

func (e elfView) section(i uint64) elfSection {
	at := int(e.word(e.pick(40, 32))) + int(i)*e.pick(64, 40)
	s := elfSection{name: e.order.Uint32(e.b[at:]), typ: e.order.Uint32(e.b[at+4:])}
	w := e.pick(8, 4)
	s.flags, s.addr, s.off, s.size = e.word(at+8), e.word(at+8+w), e.word(at+8+2*w), e.word(at+8+3*w)
	s.link = e.order.Uint32(e.b[at+8+4*w:])
	return s
}

func (e elfView) fits(off, size uint64) bool {
	return off <= uint64(len(e.b)) && size <= uint64(len(e.b))-off
}

// sectionsFirst tells whether the kernel looks at all sections before it looks at their names, at which it then looks more closely.
func (l *loader) sectionsFirst() Tri { return l.k.Words.has(sayNamesType) }

// counted tells whether the kernel counts .modinfo and struct module and measures the latter.
func (l *loader) counted() bool { return l.k.Features.SizeCheck == Yes }

// defect is what is wrong with a file, in words for people, and what the kernel says.
func (l *loader) defect(text string, s sentence, args ...any) bool {
	l.v.reason(true, KindFile, "", "the file is damaged or no module for this machine: get it again, or build it for this kernel", "%s", text)
	l.say(s, args...)
	if l.structures {
		l.say(sayStructures)
	}
	l.v.fail(syscall.ENOEXEC)
	return false
}

// mayDefect is a defect for kernels that have a sentence for it; others do not look. It tells whether the load goes on.
func (l *loader) mayDefect(text string, s sentence, args ...any) bool {
	switch l.k.Words.has(s) {
	case Yes:
		return l.defect(text, s, args...)
	case Maybe:
		l.v.reason(false, KindFile, "", "get it again, or build it again", "%s", text)
		l.v.unknown("whether the kernel minds that %s", text)
	}
	return true
}

const elfHeader64, elfHeader32 = 64, 52

// header is the check of the ELF header and the place of the section table.
func (l *loader) header() bool {
	l.structures = true
	b := l.m.image
	e := l.view()
	if n := e.pick(elfHeader64, elfHeader32); len(b) < n {
		return l.defect(fmt.Sprintf("the file has only %d bytes", len(b)), sayHeaderLen, len(b))
	}
	if string(b[:4]) != "\x7fELF" {
		return l.defect("the file is no ELF file (not expanded, or something else)", sayMagic, `\x7fELF`)
	}
	if typ := e.u16(16); typ != 1 {
		return l.defect("the file is an ELF file, but no relocatable one: not a module", sayType, typ, 1)
	}
	if machine := e.u16(18); l.k.Machine != 0 && machine != uint64(l.k.Machine) {
		return l.defect(fmt.Sprintf("built for another machine: ELF machine %d, the kernel's is %d", machine, l.k.Machine), sayMachine, machine)
	}
	shentsize, shnum := e.u16(e.pick(58, 46)), e.u16(e.pick(60, 48))
	if shentsize != uint64(e.pick(64, 40)) {
		return l.defect(fmt.Sprintf("section headers of %d bytes", shentsize), sayHeaderSize)
	}
	shoff := e.word(e.pick(40, 32))
	if shoff >= uint64(len(b)) || shnum*shentsize > uint64(len(b))-shoff {
		return l.defect("the table of sections lies outside the file: it is cut off", sayTablePlace)
	}
	return true
}

func (l *loader) view() elfView {
	e := elfView{b: l.m.image, order: binary.LittleEndian, wide: l.k.Class != 32}
	if l.k.Class == 0 && len(e.b) > 4 {
		e.wide = e.b[4] != 1
	}
	if l.k.BigEndian {
		e.order = binary.BigEndian
	}
	return e
}

// file is elf_validity_check and what follows it up to the module's struct.
func (l *loader) file() bool {
	l.structures = true
	steps := []func() bool{l.header, l.sectionNames, l.sectionZero, l.sectionPlaces}
	if l.sectionsFirst() != No {
		steps = []func() bool{l.header, l.sectionZero, l.sectionPlaces, l.sectionNames, l.sectionNamed}
	}
	for _, step := range steps {
		if !step() {
			return false
		}
	}
	if l.structures = false; !l.parts() {
		return false
	}
	if l.m.err != nil {
		l.v.reason(false, KindFile, "", "get it again, or build it again", "the file is damaged where the kernel may not look: %v", l.m.err)
		l.v.unknown("what the kernel does with a damaged file")
	}
	if k := l.k; k.Class != 0 && len(l.m.image) > 5 && l.m.err == nil && (l.m.Class != k.Class || l.m.BigEndian != k.BigEndian) {
		l.v.reason(false, KindFile, "", "build it for this kernel", "the file says it has %d-bit words or another byte order than the kernel", l.m.Class)
		l.v.unknown("what the kernel does with another word size or byte order")
	}
	return true
}

// sectionNames checks the section that holds the names of sections.
func (l *loader) sectionNames() bool {
	e := l.view()
	shnum, ndx := e.u16(e.pick(60, 48)), e.u16(e.pick(62, 50))
	if ndx == 0 || ndx >= shnum {
		return l.defect("the index of the section names is wrong", sayNamesIndex, ndx, ndx, shnum)
	}
	s := e.section(ndx)
	if !e.fits(s.off, s.size) {
		return l.defect("the names of sections lie outside the file: it is cut off", sayNamesPlace, s.typ)
	}
	if s.typ != shtStrtab && !l.mayDefect("the section of section names is none", sayNamesType, s.typ) {
		return false
	}
	if s.size == 0 {
		// A kernel that does not look finds no section by its name.
		return l.k.Words.has(sayNoNames) != Yes || l.defect("sections have no names", sayNoNames)
	}
	if e.b[s.off+s.size-1] != 0 {
		return l.defect("the names of sections do not end", sayNamesEnd)
	}
	return true
}

// sectionZero checks the section that is none.
func (l *loader) sectionZero() bool {
	e := l.view()
	if !e.fits(e.word(e.pick(40, 32)), uint64(e.pick(64, 40))) {
		return true // there are no sections, which is what is said next; newer kernels look at what lies behind the file
	}
	if zero := e.section(0); zero.typ != 0 || zero.size != 0 || zero.addr != 0 {
		return l.defect("section 0 is not empty", sayZero, zero.typ)
	}
	return true
}

// Types of sections.
const (
	shtNull   = 0
	shtSymtab = 2
	shtStrtab = 3
	shtNobits = 8
)

// sectionPlaces checks every section's place and, on older kernels, its name.
func (l *loader) sectionPlaces() bool {
	e, first := l.view(), l.sectionsFirst() != No
	shnum := e.u16(e.pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		s := e.section(i)
		if s.typ == shtNull || s.typ == shtNobits {
			continue
		}
		if s.typ == shtSymtab && (s.link == 0 || uint64(s.link) >= shnum) && !first {
			return l.linkDefect(s, shnum)
		}
		if !e.fits(s.off, s.size) {
			return l.defect(fmt.Sprintf("section %d lies outside the file: it is cut off", i), sayPlace, i, s.typ)
		}
		if !first && !l.sectionName(i, s) {
			return false
		}
	}
	return true
}

func (l *loader) linkDefect(s elfSection, shnum uint64) bool {
	return l.defect("the symbol table has no names", sayLink, s.link, s.link, shnum)
}

// sectionName checks where the name of a section is.
func (l *loader) sectionName(i uint64, s elfSection) bool {
	e := l.view()
	if uint64(s.name) < e.section(e.u16(e.pick(62, 50))).size {
		return true
	}
	if l.sectionsFirst() != Yes && (l.counted() || s.flags&sectionAlloc == 0) {
		l.v.reason(false, KindFile, "", "do not load it: get it again", "the name of section %d lies outside the names: some kernels follow it and crash", i)
		l.v.unknown("whether the kernel survives reading a section name outside the file")
		return true
	}
	return l.defect(fmt.Sprintf("the name of section %d lies outside the names", i), sayName, i, s.typ)
}

// sectionNamed checks all names of sections, and the symbol table's link.
func (l *loader) sectionNamed() bool {
	e := l.view()
	shnum := e.u16(e.pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		if s := e.section(i); s.typ != shtNull && !l.sectionName(i, s) {
			return false
		}
	}
	return true
}

// sectionsNamed returns the sections of a name that the kernel finds.
func (e elfView) sectionsNamed(name string, alloc bool) (found []elfSection) {
	names := e.section(e.u16(e.pick(62, 50)))
	for i := uint64(1); i < e.u16(e.pick(60, 48)); i++ {
		s := e.section(i)
		if alloc && s.flags&sectionAlloc == 0 || uint64(s.name) >= names.size {
			continue
		}
		if bytes.HasPrefix(e.b[names.off+uint64(s.name):names.off+names.size], []byte(name+"\x00")) {
			found = append(found, s)
		}
	}
	return found
}

const modinfoName, thisName = ".modinfo", ".gnu.linkonce.this_module"

// parts checks that .modinfo, struct module and the symbol table are there.
func (l *loader) parts() bool {
	e, counted := l.view(), l.counted()
	infos := e.sectionsNamed(modinfoName, !counted)
	if len(infos) == 0 {
		l.m.Info = nil
	}
	structs := e.sectionsNamed(thisName, !counted)
	if _, named := l.m.Field("name"); !named {
		l.name = "(missing .modinfo section or name field)"
	}
	if counted {
		if n := len(infos); n > 1 {
			return l.defect(fmt.Sprintf("%d sections .modinfo", n), sayOneInfo)
		}
		if !l.thisSection(structs) {
			return false
		}
	}
	if !l.symbolTable() {
		return false
	}
	if len(structs) == 0 {
		return l.defect("no struct module in it", sayNoThis, l.name)
	}
	l.name = l.m.Name
	return true
}

// thisSection checks the section that holds struct module.
func (l *loader) thisSection(structs []elfSection) bool {
	switch {
	case len(structs) != 1:
		return l.defect("no struct module in it, or several", sayOneThis, l.name)
	case structs[0].typ == shtNobits:
		return l.defect("its struct module has no content", sayThisEmpty, l.name)
	case structs[0].flags&sectionAlloc == 0:
		return l.defect("its struct module is not to be loaded", sayThisAlloc, l.name)
	}
	if size := l.k.This.Size; size != 0 && structs[0].size != size {
		l.v.reason(true, KindLayout, "", "rebuild it against the headers of "+l.k.Release+"; no force helps",
			"built for another kernel: struct module has %d bytes in the module, %d in the kernel", structs[0].size, size)
		return l.fail(syscall.ENOEXEC, sayThisSize, l.name)
	}
	return true
}

// symbolTable checks that there is one, with names.
func (l *loader) symbolTable() bool {
	e := l.view()
	shnum := e.u16(e.pick(60, 48))
	for i := uint64(1); i < shnum && l.sectionsFirst() != No; i++ {
		s := e.section(i)
		if s.typ != shtSymtab {
			continue
		}
		if s.link == 0 || uint64(s.link) >= shnum {
			return l.linkDefect(s, shnum)
		}
		if typ := e.section(uint64(s.link)).typ; typ != shtStrtab && !l.mayDefect("the names of symbols are in no string table", sayStringsType, typ) {
			return false
		}
	}
	if !l.m.Symbols && l.m.err == nil {
		return l.defect("it has no symbol table: it was stripped (use strip --strip-debug)", sayStripped, l.name)
	}
	return true
}

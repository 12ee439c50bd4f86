package check

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// sectionsFirst tells whether the kernel checks all sections before their names. Such kernels check the names more
// strictly.
func (l *loader) sectionsFirst() kernel.Tri { return l.k.Words.Has(kernel.SayNamesType) }

// counted reports whether the kernel counts the sections of .modinfo and struct module, and checks the size of the
// latter.
func (l *loader) counted() bool { return l.k.Features.SizeCheck == kernel.Yes }

// defect fails the load for a damaged file: text is for people, the sentence is what the kernel logs.
func (l *loader) defect(text string, s kernel.Sentence, args ...any) bool {
	l.v.reason(true, KindFile, "",
		"the file is damaged or not a module for this architecture; download it again, "+
			"or build it for this kernel", "%s", text)
	l.say(s, args...)
	if l.structures {
		l.say(kernel.SayStructures)
	}
	l.v.fail(syscall.ENOEXEC)
	return false
}

// mayDefect is defect for kernels that have the sentence; others do not check. It reports whether the load goes on.
func (l *loader) mayDefect(text string, s kernel.Sentence, args ...any) bool {
	switch l.k.Words.Has(s) {
	case kernel.Yes:
		return l.defect(text, s, args...)
	case kernel.Maybe:
		l.v.reason(false, KindFile, "", "get it again, or build it again", "%s", text)
		l.v.unknown("whether the kernel minds that %s", text)
	}
	return true
}

// Sizes of the ELF header, in bytes.
const elfHeader64, elfHeader32 = 64, 52

// header is the check of the ELF header and the place of the section table.
func (l *loader) header() bool {
	l.structures = true
	b := l.m.Image
	e := l.view()
	if n := e.Pick(elfHeader64, elfHeader32); len(b) < n {
		return l.defect(fmt.Sprintf("the file has only %d bytes", len(b)), kernel.SayHeaderLen, len(b))
	}
	if string(b[:4]) != "\x7fELF" {
		return l.defect("the file is no ELF file (not expanded, or something else)", kernel.SayMagic, `\x7fELF`)
	}
	if typ := e.U16(16); typ != 1 {
		return l.defect("the file is an ELF file, but no relocatable one: not a module", kernel.SayType, typ, 1)
	}
	if machine := e.U16(18); l.k.Machine != 0 && machine != uint64(l.k.Machine) {
		return l.defect(fmt.Sprintf("built for another machine: ELF machine %d, the kernel's is %d",
			machine, l.k.Machine), kernel.SayMachine, machine)
	}
	shentsize, shnum := e.U16(e.Pick(58, 46)), e.U16(e.Pick(60, 48))
	if shentsize != uint64(e.Pick(64, 40)) {
		return l.defect(fmt.Sprintf("section headers of %d bytes", shentsize), kernel.SayHeaderSize)
	}
	shoff := e.Word(e.Pick(40, 32))
	if shoff >= uint64(len(b)) || shnum*shentsize > uint64(len(b))-shoff {
		return l.defect("the table of sections lies outside the file: it is cut off", kernel.SayTablePlace)
	}
	return true
}

// view returns the file as the kernel reads it, with the kernel's word size and byte order.
func (l *loader) view() elf.View {
	e := elf.View{B: l.m.Image, Order: binary.LittleEndian, Wide: l.k.Class != 32}
	if l.k.Class == 0 && len(e.B) > 4 {
		e.Wide = e.B[4] != 1
	}
	if l.k.BigEndian {
		e.Order = binary.BigEndian
	}
	return e
}

// file is elf_validity_check and what follows it up to the module's struct.
func (l *loader) file() bool {
	l.structures = true
	steps := []func() bool{l.header, l.sectionNames, l.sectionZero, l.sectionPlaces}
	if l.sectionsFirst() != kernel.No {
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
	if l.m.Err() != nil {
		l.v.reason(false, KindFile, "", "get it again, or build it again",
			"the file is damaged where the kernel may not look: %v", l.m.Err())
		l.v.unknown("what the kernel does with a damaged file")
	}
	if k := l.k; k.Class != 0 && len(l.m.Image) > 5 && l.m.Err() == nil &&
		(l.m.Class != k.Class || l.m.BigEndian != k.BigEndian) {
		l.v.reason(false, KindFile, "", "build it for this kernel",
			"the file says it has %d-bit words or another byte order than the kernel", l.m.Class)
		l.v.unknown("what the kernel does with another word size or byte order")
	}
	return true
}

// sectionNames checks the section that holds the names of sections.
func (l *loader) sectionNames() bool {
	e := l.view()
	shnum, ndx := e.U16(e.Pick(60, 48)), e.U16(e.Pick(62, 50))
	if ndx == 0 || ndx >= shnum {
		return l.defect("the index of the section names is wrong", kernel.SayNamesIndex, ndx, ndx, shnum)
	}
	s := e.Section(ndx)
	if !e.Fits(s.Off, s.Size) {
		return l.defect("the names of sections lie outside the file: it is cut off", kernel.SayNamesPlace,
			s.Type)
	}
	if s.Type != shtStrtab && !l.mayDefect("the section of section names is none", kernel.SayNamesType, s.Type) {
		return false
	}
	if s.Size == 0 {
		// A kernel that does not look finds no section by its name.
		return l.k.Words.Has(kernel.SayNoNames) != kernel.Yes ||
			l.defect("sections have no names", kernel.SayNoNames)
	}
	if e.B[s.Off+s.Size-1] != 0 {
		return l.defect("the names of sections do not end", kernel.SayNamesEnd)
	}
	return true
}

// sectionZero checks section 0, which must be empty.
func (l *loader) sectionZero() bool {
	e := l.view()
	if !e.Fits(e.Word(e.Pick(40, 32)), uint64(e.Pick(64, 40))) {
		return true // no section headers: a later step says so
	}
	if zero := e.Section(0); zero.Type != 0 || zero.Size != 0 || zero.Addr != 0 {
		return l.defect("section 0 is not empty", kernel.SayZero, zero.Type)
	}
	return true
}

// Types of sections.
const (
	shtNull   = 0
	shtSymtab = 2
	shtStrtab = 3
	shtRela   = 4
	shtNobits = 8
	shtRel    = 9
)

// sectionPlaces checks every section's place and, on older kernels, its name.
func (l *loader) sectionPlaces() bool {
	e, first := l.view(), l.sectionsFirst() != kernel.No
	shnum := e.U16(e.Pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		s := e.Section(i)
		if s.Type == shtNull || s.Type == shtNobits {
			continue
		}
		if s.Type == shtSymtab && (s.Link == 0 || uint64(s.Link) >= shnum) && !first {
			return l.linkDefect(s, shnum)
		}
		if !e.Fits(s.Off, s.Size) {
			return l.defect(fmt.Sprintf("section %d lies outside the file: it is cut off", i),
				kernel.SayPlace, i, s.Type)
		}
		if !first && !l.sectionName(i, s) {
			return false
		}
	}
	return true
}

// linkDefect is the defect of a symbol table s that names no section for its strings.
func (l *loader) linkDefect(s elf.RawSection, shnum uint64) bool {
	return l.defect("the symbol table has no names", kernel.SayLink, s.Link, s.Link, shnum)
}

// sectionName checks where the name of a section is.
func (l *loader) sectionName(i uint64, s elf.RawSection) bool {
	e := l.view()
	if uint64(s.Name) < e.Section(e.U16(e.Pick(62, 50))).Size {
		return true
	}
	if l.sectionsFirst() != kernel.Yes && (l.counted() || s.Flags&elf.SectionAlloc == 0) {
		l.v.reason(false, KindFile, "", "do not load it: get it again",
			"the name of section %d lies outside the names: some kernels follow it and crash", i)
		l.v.unknown("whether the kernel survives reading a section name outside the file")
		return true
	}
	return l.defect(fmt.Sprintf("the name of section %d lies outside the names", i), kernel.SayName, i, s.Type)
}

// sectionNamed checks where the names of all sections are.
func (l *loader) sectionNamed() bool {
	e := l.view()
	shnum := e.U16(e.Pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		if s := e.Section(i); s.Type != shtNull && !l.sectionName(i, s) {
			return false
		}
	}
	return true
}

// The sections that every module has.
const modinfoName, thisName = ".modinfo", ".gnu.linkonce.this_module"

// parts checks that .modinfo, struct module and the symbol table are there.
func (l *loader) parts() bool {
	e, counted := l.view(), l.counted()
	infos := e.SectionsNamed(modinfoName, !counted)
	if len(infos) == 0 {
		l.m.Info = nil
	}
	structs := e.SectionsNamed(thisName, !counted)
	if _, named := l.m.Field("name"); !named {
		l.name = "(missing .modinfo section or name field)"
	}
	if counted {
		if n := len(infos); n > 1 {
			return l.defect(fmt.Sprintf("%d sections .modinfo", n), kernel.SayOneInfo)
		}
		if !l.thisSection(structs) {
			return false
		}
	} else if len(structs) > 0 && l.crashes(structs[0]) {
		return false
	}
	if !l.symbolTable() {
		return false
	}
	if len(structs) == 0 {
		return l.defect("no struct module in it", kernel.SayNoThis, l.name)
	}
	l.name = l.m.Name
	return true
}

// crashes reports whether the section of struct module is damaged in a way that kernels do not check which write into
// it without looking at its size. What they do after that is not known.
func (l *loader) crashes(this elf.RawSection) bool {
	const write = 1
	switch {
	case this.Type == shtNobits:
		l.wild("its struct module has no content in the file")
	case this.Size == 0:
		l.wild("its struct module is empty")
	case this.Flags&write == 0:
		l.wild("its struct module is not to be written to")
	default:
		return false
	}
	return true
}

// wild adds the finding for damage that makes a kernel follow a wild pointer: what happens then is not known.
func (l *loader) wild(text string) {
	l.v.reason(false, KindFile, "", "do not load it: get it again, or build it again", "%s: the kernel may crash",
		text)
	l.v.unknown("whether the kernel survives that %s", text)
}

// thisSection checks the section that holds struct module.
func (l *loader) thisSection(structs []elf.RawSection) bool {
	switch {
	case len(structs) != 1:
		return l.defect("no struct module in it, or several", kernel.SayOneThis, l.name)
	case structs[0].Type == shtNobits:
		return l.defect("its struct module has no content", kernel.SayThisEmpty, l.name)
	case structs[0].Flags&elf.SectionAlloc == 0:
		return l.defect("its struct module is not to be loaded", kernel.SayThisAlloc, l.name)
	}
	if size := l.k.This.Size; size != 0 && structs[0].Size != size {
		l.v.reason(true, KindLayout, "", "rebuild it against the headers of "+l.k.Release+"; no force helps",
			"built for another kernel: struct module has %d bytes in the module, %d in the kernel",
			structs[0].Size, size)
		return l.fail(syscall.ENOEXEC, kernel.SayThisSize, l.name)
	}
	return true
}

// symbolTable checks that there is one, with names.
func (l *loader) symbolTable() bool {
	e := l.view()
	shnum := e.U16(e.Pick(60, 48))
	for i := uint64(1); i < shnum && l.sectionsFirst() != kernel.No; i++ {
		s := e.Section(i)
		if s.Type != shtSymtab {
			continue
		}
		if s.Link == 0 || uint64(s.Link) >= shnum {
			return l.linkDefect(s, shnum)
		}
		if typ := e.Section(uint64(s.Link)).Type; typ != shtStrtab &&
			!l.mayDefect("the names of symbols are in no string table", kernel.SayStringsType, typ) {
			return false
		}
	}
	if !l.m.Symbols && l.m.Err() == nil {
		return l.defect("it has no symbol table: it was stripped (use strip --strip-debug)", kernel.SayStripped,
			l.name)
	}
	return true
}

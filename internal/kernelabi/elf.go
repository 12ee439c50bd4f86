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

// An elfEra is how a generation of kernels checks ELF files and words its complaints.
type elfEra struct {
	silent   bool   // up to 5.14 most defects have no line
	sections bool   // .modinfo and struct module are counted and measured (6.8)
	thisOnly string // "Only one", later "Exactly one"
	shstrtab bool   // the section names must be a string table (later than 6.12)
}

func (k *Kernel) elfEra() elfEra {
	e := elfEra{thisOnly: "Only one", silent: !atLeast(k.Release, 5, 15), sections: k.Features.SizeCheck == Yes}
	if atLeast(k.Release, 6, 13) {
		e.thisOnly, e.shstrtab = "Exactly one", true
	}
	return e
}

// defect is what is wrong with a file: the line in the log, the same for people.
func (l *loader) defect(silent bool, line, text string) bool {
	l.v.reason(true, KindFile, "", "the file is damaged or no module for this machine: get it again, or build it for this kernel", "%s", text)
	if !silent {
		l.v.Log = append(l.v.Log, line)
	}
	if l.structures && !atLeast(l.k.Release, 5, 15) && atLeast(l.k.Release, 5, 10) {
		l.v.Log = append(l.v.Log, "Module has invalid ELF structures")
	}
	l.v.fail(syscall.ENOEXEC)
	return false
}

const elfHeader64, elfHeader32 = 64, 52

// header is the check of the ELF header and the place of the section table.
func (l *loader) header() bool {
	l.structures = true
	era, b := l.k.elfEra(), l.m.image
	e := l.view()
	if n := e.pick(elfHeader64, elfHeader32); len(b) < n {
		return l.defect(era.silent, fmt.Sprintf("Invalid ELF header len %d", len(b)), fmt.Sprintf("the file has only %d bytes", len(b)))
	}
	if string(b[:4]) != "\x7fELF" {
		return l.defect(era.silent, `Invalid ELF header magic: != \x7fELF`, "the file is no ELF file (not expanded, or something else)")
	}
	if typ := e.u16(16); typ != 1 {
		return l.defect(era.silent, fmt.Sprintf("Invalid ELF header type: %d != 1", typ), "the file is an ELF file, but no relocatable one: not a module")
	}
	if machine := e.u16(18); l.k.Machine != 0 && machine != uint64(l.k.Machine) {
		return l.defect(era.silent, fmt.Sprintf("Invalid architecture in ELF header: %d", machine), fmt.Sprintf("built for another machine: ELF machine %d, the kernel's is %d", machine, l.k.Machine))
	}
	shentsize, shnum := e.u16(e.pick(58, 46)), e.u16(e.pick(60, 48))
	if shentsize != uint64(e.pick(64, 40)) {
		return l.defect(era.silent, "Invalid ELF section header size", fmt.Sprintf("section headers of %d bytes", shentsize))
	}
	shoff := e.word(e.pick(40, 32))
	if shoff >= uint64(len(b)) || shnum*shentsize > uint64(len(b))-shoff {
		return l.defect(era.silent, "Invalid ELF section header overflow", "the table of sections lies outside the file: it is cut off")
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
	// Newer kernels look at all sections before they look at names.
	steps := []func() bool{l.header, l.sectionNames, l.sectionZero, l.sectionPlaces}
	if l.k.elfEra().shstrtab {
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
	era, e := l.k.elfEra(), l.view()
	shnum, ndx := e.u16(e.pick(60, 48)), e.u16(e.pick(62, 50))
	if ndx == 0 || ndx >= shnum {
		return l.defect(era.silent, fmt.Sprintf("Invalid ELF section name index: %d || e_shstrndx (%d) >= e_shnum (%d)", ndx, ndx, shnum), "the index of the section names is wrong")
	}
	s := e.section(ndx)
	if !e.fits(s.off, s.size) {
		return l.defect(era.silent, fmt.Sprintf("Invalid ELF section hdr(type %d)", s.typ), "the names of sections lie outside the file: it is cut off")
	}
	if era.shstrtab && s.typ != 3 {
		return l.defect(false, fmt.Sprintf("Invalid ELF section name table type: %d", s.typ), "the section of section names is none")
	}
	if s.size == 0 && era.silent {
		return true
	}
	if s.size == 0 {
		return l.defect(era.silent, "empty section name table", "sections have no names")
	}
	if e.b[s.off+s.size-1] != 0 {
		return l.defect(era.silent, "ELF Spec violation: section name table isn't null terminated", "the names of sections do not end")
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
		return l.defect(l.k.elfEra().silent, fmt.Sprintf("ELF Spec violation: section 0 type(%d)!=SH_NULL or non-zero len or addr", zero.typ), "section 0 is not empty")
	}
	return true
}

// sectionPlaces checks every section's place and, on older kernels, its name.
func (l *loader) sectionPlaces() bool {
	era, e := l.k.elfEra(), l.view()
	shnum := e.u16(e.pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		s := e.section(i)
		const null, symtab, nobits = 0, 2, 8
		if s.typ == null || s.typ == nobits {
			continue
		}
		if s.typ == symtab && (s.link == 0 || uint64(s.link) >= shnum) && !era.shstrtab {
			return l.linkDefect(s, shnum)
		}
		if !e.fits(s.off, s.size) {
			return l.defect(false, fmt.Sprintf("Invalid ELF section in module (section %d type %d)", i, s.typ), fmt.Sprintf("section %d lies outside the file: it is cut off", i))
		}
		if !era.shstrtab && !l.sectionName(i, s) {
			return false
		}
	}
	return true
}

func (l *loader) linkDefect(s elfSection, shnum uint64) bool {
	return l.defect(l.k.elfEra().silent, fmt.Sprintf("Invalid ELF sh_link!=SHN_UNDEF(%d) or (sh_link(%d) >= hdr->e_shnum(%d)", s.link, s.link, shnum), "the symbol table has no names")
}

// sectionName checks where the name of a section is.
func (l *loader) sectionName(i uint64, s elfSection) bool {
	era, e := l.k.elfEra(), l.view()
	if uint64(s.name) < e.section(e.u16(e.pick(62, 50))).size {
		return true
	}
	if !era.shstrtab && (era.sections || s.flags&sectionAlloc == 0) {
		l.v.reason(false, KindFile, "", "do not load it: get it again", "the name of section %d lies outside the names: this kernel follows it and crashes", i)
		l.v.unknown("whether the kernel survives reading a section name outside the file")
		return true
	}
	return l.defect(false, fmt.Sprintf("Invalid ELF section name in module (section %d type %d)", i, s.typ), fmt.Sprintf("the name of section %d lies outside the names", i))
}

// sectionNamed checks all names of sections, and the symbol table's link.
func (l *loader) sectionNamed() bool {
	e := l.view()
	shnum := e.u16(e.pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		if s := e.section(i); s.typ != 0 && !l.sectionName(i, s) {
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

// parts checks that .modinfo, struct module and the symbol table are there.
func (l *loader) parts() bool {
	era, e := l.k.elfEra(), l.view()
	const modinfo, this = ".modinfo", ".gnu.linkonce.this_module"
	infos := e.sectionsNamed(modinfo, !era.sections)
	if len(infos) == 0 {
		l.m.Info = nil
	}
	structs := e.sectionsNamed(this, !era.sections)
	if _, named := l.m.Field("name"); !named {
		l.name = "(missing .modinfo section or name field)"
	}
	if era.sections {
		if n := len(infos); n > 1 {
			return l.defect(false, "Only one .modinfo section must exist.", fmt.Sprintf("%d sections .modinfo", n))
		}
		switch {
		case len(structs) != 1:
			return l.defect(false, fmt.Sprintf("module %s: %s %s section must exist.", l.name, era.thisOnly, this), "no struct module in it, or several")
		case structs[0].typ == 8:
			return l.defect(false, fmt.Sprintf("module %s: %s section must have a size set", l.name, this), "its struct module has no content")
		case structs[0].flags&sectionAlloc == 0:
			return l.defect(false, fmt.Sprintf("module %s: %s must occupy memory during process execution", l.name, this), "its struct module is not to be loaded")
		}
		if size := l.k.This.Size; size != 0 && structs[0].size != size {
			l.v.reason(true, KindLayout, "", "rebuild it against the headers of "+l.k.Release+"; no force helps",
				"built for another kernel: struct module has %d bytes in the module, %d in the kernel", structs[0].size, size)
			l.v.fail(syscall.ENOEXEC, fmt.Sprintf("module %s: %s section size must match the kernel's built struct module size at run time", l.name, this))
			return false
		}
	}
	if era.shstrtab {
		shnum := e.u16(e.pick(60, 48))
		for i := uint64(1); i < shnum; i++ {
			if s := e.section(i); s.typ == 2 && (s.link == 0 || uint64(s.link) >= shnum) {
				return l.linkDefect(s, shnum)
			}
		}
	}
	if !l.m.Symbols && l.m.err == nil {
		return l.defect(false, l.name+": module has no symbols (stripped?)", "it has no symbol table: it was stripped (use strip --strip-debug)")
	}
	if len(structs) == 0 {
		return l.defect(false, l.name+": No module found in object", "no struct module in it")
	}
	l.name = l.m.Name
	return true
}

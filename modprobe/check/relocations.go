package check

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// relocX86 returns how many bytes a relocation of a type changes, 0 for one that changes nothing, and whether x86's
// loader knows it.
func relocX86(typ uint32) (width uint64, known bool) {
	switch typ {
	case 0:
		return 0, true
	case 1, 24:
		return 8, true
	case 2, 4, 10, 11:
		return 4, true
	}
	return 0, false
}

// knownARM64 reports whether arm64's loader may know a type of relocation.
func knownARM64(typ uint32) bool {
	return typ == 0 || typ >= 256 && typ <= 299
}

// relocations puts addresses into the sections that are loaded. The types of 32-bit machines, and of others, are not
// looked at.
func (l *loader) relocations() bool {
	e := l.view()
	if machine := l.m.Machine; !e.Wide || machine != kernel.EMX8664 && machine != kernel.EMAARCH64 {
		return true
	}
	const livepatch = 1 << 20 // SHF_RELA_LIVEPATCH: they are made later
	shnum := e.U16(60)
	for i := uint64(1); i < shnum; i++ {
		s := e.Section(i)
		if s.Type != shtRela && s.Type != shtRel {
			continue
		}
		if s.Info == 0 || uint64(s.Info) >= shnum {
			l.wild(fmt.Sprintf("section %d has relocations for section %d, which is none", i, s.Info))
			continue
		}
		target := e.Section(uint64(s.Info))
		switch {
		case target.Flags&elf.SectionAlloc == 0 || s.Flags&livepatch != 0 || !e.Fits(s.Off, s.Size):
			continue
		case s.Type == shtRel:
			l.v.reason(true, KindFile, "", "build it for this machine",
				"section %d has relocations without addends (REL), "+
					"which this machine's kernels do not take", i)
			return l.fail(syscall.ENOEXEC, kernel.SayREL, l.name)
		case !l.rela(e, i, s, target):
			return false
		}
	}
	return true
}

// rela checks the relocations in section i, s, for section target.
func (l *loader) rela(e elf.View, i uint64, s, target elf.RawSection) bool {
	const entry, symbol = 24, 24
	symbols, table := uint64(0), elf.RawSection{}
	if int(s.Link) < int(e.U16(60)) {
		table = e.Section(uint64(s.Link))
		if symbols = table.Size / symbol; !e.Fits(table.Off, table.Size) {
			symbols = 0
		}
	}
	data := e.B[s.Off : s.Off+s.Size]
	for ; len(data) >= entry; data = data[entry:] {
		off, typ, sym := e.Order.Uint64(data), e.Order.Uint32(data[8:]), e.Order.Uint32(data[12:])
		width, known := relocX86(typ)
		x86 := l.m.Machine == kernel.EMX8664
		if !x86 {
			known = knownARM64(typ)
		}
		switch {
		case off >= target.Size, uint64(sym) >= symbols:
			l.wild(fmt.Sprintf("a relocation of section %d lies outside what it is for", i))
			return true
		case l.strays(e, e.Order.Uint16(e.B[table.Off+uint64(sym)*symbol+6:])):
			l.wild(fmt.Sprintf("section %d has a relocation to something in a section that is not loaded", i))
			return true
		case !known:
			l.v.reason(true, KindFile, "", "build it for this machine",
				"section %d has a relocation of type %d, which no kernel of this machine knows", i, typ)
			if !x86 {
				l.v.fail(syscall.ENOEXEC)
				return false
			}
			return l.fail(syscall.ENOEXEC, kernel.SayRELA, l.name, typ)
		case x86 && target.Type != shtNobits && off+width <= target.Size && e.Fits(target.Off+off, width) &&
			l.k.Words.Has(kernel.SayNonzero) == kernel.Yes &&
			!zeros(e.B[target.Off+off:target.Off+off+width]):
			l.v.reason(true, KindFile, "", "the file is damaged, or was linked before: build it again",
				"there is something already where a relocation of section %d is to go", i)
			return l.fail(syscall.ENOEXEC, kernel.SayNonzero, typ)
		}
	}
	return true
}

// exportNames looks for tables of exports that nothing relocates, as objcopy -R .rela__ksymtab leaves them. Where
// their fields are addresses, the names are at 0, and a kernel crashes of them (user-mode Linux does); distances of 0
// lead to empty names, which do no harm. Tables of distances are aligned to 4 bytes, those of 64-bit addresses to 8.
func (l *loader) exportNames() bool {
	e := l.view()
	relocated := map[uint64]bool{}
	shnum := e.U16(e.Pick(60, 48))
	for i := uint64(1); i < shnum; i++ {
		if s := e.Section(i); (s.Type == shtRela || s.Type == shtRel) && s.Size > 0 {
			relocated[uint64(s.Info)] = true
		}
	}
	names := e.Section(e.U16(e.Pick(62, 50)))
	if !e.Fits(names.Off, names.Size) {
		return true // nothing has a name
	}
	for i := uint64(1); i < shnum; i++ {
		s := e.Section(i)
		if relocated[i] || s.Size == 0 || s.Flags&elf.SectionAlloc == 0 || e.Wide && s.Align < 8 ||
			uint64(s.Name) >= names.Size {
			continue
		}
		if name := e.B[names.Off+uint64(s.Name) : names.Off+names.Size]; bytes.HasPrefix(name, []byte("__ksymtab\x00")) ||
			bytes.HasPrefix(name, []byte("__ksymtab_gpl\x00")) {
			l.wild("nothing relocates the names of its exports")
			return true
		}
	}
	return true
}

// strays tells whether a symbol is in a section that is not loaded. What the module keeps is its address in the copy of
// the file, which is gone later.
func (l *loader) strays(e elf.View, section uint16) bool {
	const reserved = 0xff00
	return section != 0 && section < reserved && uint64(section) < e.U16(60) &&
		e.Section(uint64(section)).Flags&elf.SectionAlloc == 0
}

// zeros reports whether all bytes are 0.
func zeros(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

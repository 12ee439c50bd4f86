package kmodtest

import "debug/elf"

// arch is what differs between machines in the parts of a module that are written here.
type arch struct {
	machine elf.Machine
	abs     uint32 // relocation type of an address
	abs32   uint32 // relocation type of a 32-bit absolute value
	rel32   uint32 // relocation type of a 32-bit distance
	prel    bool   // export tables hold distances, not addresses
	rel     bool   // relocations without addends
}

func archOf(m elf.Machine, wide bool) arch {
	switch m {
	case elf.EM_X86_64:
		return arch{m, 1, 10, 2, true, false}
	case elf.EM_386:
		return arch{m, 1, 1, 2, true, true}
	case elf.EM_AARCH64:
		return arch{m, 257, 258, 261, true, false}
	case elf.EM_ARM:
		return arch{m, 2, 2, 3, false, true}
	case elf.EM_S390:
		return arch{m, 22, 4, 5, false, false}
	case elf.EM_PPC64:
		return arch{m, 38, 1, 26, false, false}
	case elf.EM_MIPS:
		if wide {
			return arch{m, 18, 2, 248, false, false}
		}
		return arch{m, 2, 2, 248, false, true}
	case elf.EM_RISCV:
		if wide {
			return arch{m, 2, 1, 57, false, false}
		}
		return arch{m, 1, 1, 57, false, false}
	}
	return arch{m, 1, 1, 2, false, false}
}

// exports writes __ksymtab, __ksymtab_gpl, __kcrctab, __kcrctab_gpl, __kflagstab and __ksymtab_strings.
func (w *writer) exports() {
	if len(w.m.Exports) == 0 {
		return
	}
	var plain, gpl []Export
	for _, e := range w.m.Exports {
		if e.GPL && !w.m.FlagsTable {
			gpl = append(gpl, e)
		} else {
			plain = append(plain, e)
		}
	}
	w.exportTable("", plain)
	w.exportTable("_gpl", gpl)
	if w.m.FlagsTable {
		w.flagsTable()
	}

	var b []byte
	first := len(w.sections) // the number __ksymtab_strings will have
	for _, e := range w.m.Exports {
		w.local("__kstrtab_"+e.Name, len(b), first)
		b = append(append(b, e.Name...), 0)
		w.local("__kstrtabns_"+e.Name, len(b), first)
		b = append(append(b, e.Namespace...), 0)
	}
	w.section("__ksymtab_strings", elf.SHF_ALLOC|elf.SHF_MERGE|elf.SHF_STRINGS, 1, b)
}

func (w *writer) local(name string, value, section int) {
	w.locals = append(w.locals, symbol{name, uint64(value), 0, section, elf.STB_LOCAL, elf.STT_NOTYPE})
}

// exportTable writes one export table and the CRCs that belong to it.
func (w *writer) exportTable(suffix string, exports []Export) {
	if len(exports) == 0 {
		return
	}
	field, typ := w.long(), w.arch.abs
	if w.arch.prel {
		field, typ = 4, w.arch.rel32
	}
	table := len(w.sections)
	var relocs []reloc
	for i, e := range exports {
		at := i * 3 * field
		w.local("__ksymtab_"+e.Name, at, table)
		relocs = append(relocs,
			reloc{at, e.Name, typ},
			reloc{at + field, "__kstrtab_" + e.Name, typ},
			reloc{at + 2*field, "__kstrtabns_" + e.Name, typ})
	}
	i := w.section("__ksymtab"+suffix, elf.SHF_ALLOC, field, make([]byte, 3*field*len(exports)))
	w.relocate(i, relocs)
	w.crcTable("__kcrctab"+suffix, exports)
}

// crcTable writes the CRCs of one export table in the module's style.
func (w *writer) crcTable(name string, exports []Export) {
	var table, data []byte
	var relocs []reloc
	self := len(w.sections)
	for i, e := range exports {
		crc := symbol{"__crc_" + e.Name, uint64(4 * i), 0, self, elf.STB_LOCAL, elf.STT_NOTYPE}
		if w.m.CRCs != CRCInSection {
			crc.bind = elf.STB_GLOBAL
		}
		switch {
		case w.m.CRCs == CRCNone:
			continue
		case e.NoCRC:
			crc.bind, crc.section, crc.value = elf.STB_WEAK, int(elf.SHN_UNDEF), 0
			table = append(table, 0, 0, 0, 0)
		case w.m.CRCs == CRCInSection:
			table = w.order.AppendUint32(table, e.CRC)
		case w.m.CRCs == CRCAbsolute:
			crc.section, crc.value = int(elf.SHN_ABS), uint64(e.CRC)
			table = append(table, 0, 0, 0, 0)
			relocs = append(relocs, reloc{4 * i, crc.name, w.arch.abs32})
		case w.m.CRCs == CRCRelative:
			crc.section, crc.value = -1, uint64(len(data))
			data = w.order.AppendUint32(data, e.CRC)
			table = append(table, 0, 0, 0, 0)
			relocs = append(relocs, reloc{4 * i, crc.name, w.arch.rel32})
		}
		if crc.bind == elf.STB_LOCAL {
			w.locals = append(w.locals, crc)
		} else {
			w.globals = append(w.globals, crc)
		}
	}
	if len(table) == 0 {
		return
	}
	w.relocate(w.section(name, elf.SHF_ALLOC, 4, table), relocs)
	if data == nil {
		return
	}
	rodata := w.section(".rodata"+name, elf.SHF_ALLOC, 4, data)
	for i := range w.globals {
		if w.globals[i].section == -1 {
			w.globals[i].section = rodata
		}
	}
}

// flagsTable writes one byte for each export: bit 0 is GPL-only.
func (w *writer) flagsTable() {
	var b []byte
	self := len(w.sections)
	for i, e := range w.m.Exports {
		w.local("__flags_"+e.Name, i, self)
		flag := byte(0)
		if e.GPL {
			flag = 1
		}
		b = append(b, flag)
	}
	w.section("__kflagstab", elf.SHF_ALLOC, 1, b)
}

// imports adds the undefined symbols and the version tables.
func (w *writer) imports() {
	for _, im := range w.m.Imports {
		if im.VersionOnly {
			continue
		}
		bind := elf.STB_GLOBAL
		if im.Weak {
			bind = elf.STB_WEAK
		}
		w.globals = append(w.globals, symbol{im.Name, 0, 0, int(elf.SHN_UNDEF), bind, elf.STT_NOTYPE})
	}
	if w.m.CRCs == CRCNone {
		return
	}
	var basic, crcs, names []byte
	for _, im := range w.m.Imports {
		if im.NoVersion {
			continue
		}
		crcs = w.order.AppendUint32(crcs, im.CRC)
		names = append(append(names, im.Name...), 0)
		if len(im.Name) < 64-w.long() {
			basic = w.appendLong(basic, uint64(im.CRC))
			basic = pad(append(append(basic, im.Name...), 0), 64)
		}
	}
	if w.m.Versions != VersionsExtended && basic != nil {
		w.section("__versions", elf.SHF_ALLOC, 32, basic)
	}
	if w.m.Versions != VersionsBasic && crcs != nil {
		w.section("__version_ext_crcs", elf.SHF_ALLOC, 4, crcs)
		w.section("__version_ext_names", elf.SHF_ALLOC, 1, names)
	}
}

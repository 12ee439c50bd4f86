// Package kmodtest makes what the tests need: kernel modules written from a few lines of Go or text, whole
// module trees, and access to the two things our answers are compared with, Debian's kmod (the oracle) and
// Debian's kernels (the corpus).
//
// Nothing here ends up in a program. No fixture is stored: a [Module] says what is odd about a file, and
// [Module.Bytes] makes it, in either byte order and either class, in the shape of any kernel since 2.6.
package kmodtest

import "debug/elf"

// Module describes a kernel module file. Its zero value with a Name is a plain x86-64 module as a 6.x kernel's
// build makes it: no exports, no imports, licence GPL.
type Module struct {
	// Name is the module's name as its file has it, for instance "mod-top". modinfo's name= has underscores.
	Name string
	// Path is where [Tree] puts the file, below lib/modules/RELEASE. Default: kernel/NAME.ko.
	Path string

	// Class is 32 or 64. Default: 64.
	Class int
	// Big selects big-endian.
	Big bool
	// Machine is e_machine. Default: x86-64, or 386 for class 32. It also decides the shape of the export
	// table (relative or absolute entries), the relocation types, and REL against RELA.
	Machine elf.Machine
	// Flags is e_flags.
	Flags uint32

	// Info holds "key=value" strings for .modinfo, in file order, between the licence and the typed fields below.
	Info []string
	// Bare leaves everything out of .modinfo but Info.
	Bare bool
	// License is the value of license=. Default: GPL.
	License string
	// Aliases, Softdeps and Weakdeps are values of alias=, softdep= and weakdep=.
	Aliases, Softdeps, Weakdeps []string
	// Firmware holds values of firmware=.
	Firmware []string
	// Params are the parameters the module declares.
	Params []Param
	// Depends is the value of depends=, separated by commas; the string is there even when empty.
	Depends string
	// Vermagic is the value of vermagic=. Default: "RELEASE SMP mod_unload modversions " with the release of
	// the tree, or 6.1.0 outside one.
	Vermagic string

	// Exports are the symbols the module offers, in symbol-table order.
	Exports []Export
	// CRCs says where an export's CRC is found. Default: CRCInSection.
	CRCs CRCStyle
	// FlagsTable moves the licence of exports from __ksymtab_gpl to one byte per entry in __kflagstab, as
	// kernels after 6.19 do.
	FlagsTable bool

	// Imports are the symbols the module needs, in symbol-table order.
	Imports []Import
	// Versions says which tables hold the CRCs of imports. Default: VersionsBasic.
	Versions VersionStyle

	// This overrides the size and offsets of struct module. Default: as on 6.1.
	This ThisModule
	// BuildID is the description of the GNU build-id note. Empty: no note.
	BuildID []byte

	// Sections are put behind all others, as given.
	Sections []Section
	// Omit names sections to leave out, relocations included.
	Omit []string

	// Signature, if not nil, is appended to the file.
	Signature *Signature
	// Compress is "", "gz", "xz" or "zst": how [Tree] writes the file; the suffix is added to its path.
	Compress string
	// Raw, if not nil, is the content of the file, whatever the other fields say: for files that are not modules.
	Raw []byte
}

// Param is a parameter, in .modinfo and in the table of parameters.
type Param struct {
	// Name is the parameter's name.
	Name string
	// Type is the value of parmtype=NAME: and empty for no such string.
	Type string
	// Desc is the value of parm=NAME: and empty for no such string.
	Desc string
	// Ops names the functions that set it, in the table of parameters; "own" are the module's. Empty: it is not in the
	// table, which is all that kernels look at.
	Ops string
	// Max is how many elements there are in an array (param_array_ops) of what Elem sets, or the size of a string
	// (param_ops_string).
	Max  uint32
	Elem string
	// Flags are 1 for one that marks the kernel, 2 for one that a locked-down kernel does not take.
	Flags byte
}

// Export is a symbol the module offers.
type Export struct {
	// Name is the symbol's name.
	Name string
	// CRC is its version.
	CRC uint32
	// GPL puts it into __ksymtab_gpl, or sets its flag.
	GPL bool
	// Namespace is its symbol namespace, or empty.
	Namespace string
	// NoCRC leaves its __crc_ symbol undefined.
	NoCRC bool
}

// Import is a symbol the module needs.
type Import struct {
	// Name is the symbol's name.
	Name string
	// CRC is the version it was built against.
	CRC uint32
	// Weak makes it a weak reference.
	Weak bool
	// NoVersion leaves it out of the version table.
	NoVersion bool
	// VersionOnly leaves it out of the symbol table: module_layout is such a name.
	VersionOnly bool
}

// CRCStyle says where the CRCs of a module's exports are, which changed over the years.
type CRCStyle int

const (
	// CRCInSection is 5.19 and later: __crc_X is a symbol in __kcrctab, and the CRC lies there.
	CRCInSection CRCStyle = iota
	// CRCAbsolute is up to 5.18 on most machines: the value of the symbol __crc_X is the CRC.
	CRCAbsolute
	// CRCRelative is powerpc and s390 up to 5.18: __crc_X is in read-only data, __kcrctab has distances to it.
	CRCRelative
	// CRCNone is a kernel without CONFIG_MODVERSIONS: no CRCs, no versions.
	CRCNone
)

// VersionStyle says which tables hold the CRCs of a module's imports.
type VersionStyle int

const (
	// VersionsBasic is __versions, fixed records of 64 bytes. Longer names are left out.
	VersionsBasic VersionStyle = iota
	// VersionsExtended is __version_ext_crcs and __version_ext_names, since 6.14.
	VersionsExtended
	// VersionsBoth writes both.
	VersionsBoth
)

// ThisModule is the layout of the section .gnu.linkonce.this_module. A zero Size stands for 6.1's layout.
type ThisModule struct {
	// Size is the section's length in bytes.
	Size int
	// Name is the offset of the name; Init and Exit are the offsets of the two function pointers, 0 for none.
	Name, Init, Exit int
}

// Section is a section given byte by byte.
type Section struct {
	// Name is the section's name.
	Name string
	// Type is sh_type. Default: SHT_PROGBITS.
	Type elf.SectionType
	// Flags is sh_flags.
	Flags elf.SectionFlag
	// Data is the content.
	Data []byte
}

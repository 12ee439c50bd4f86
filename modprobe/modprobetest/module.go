package modprobetest

import (
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// Module returns a small sound module file for x86-64: an ELF object that depmod, modinfo and package check read. Each
// module exports the symbol NAME_call, and uses those of the modules that it depends on; so tables that package depmod
// makes of such files have these dependencies.
func Module(name string, depends ...string) []byte {
	return File{Name: name, Depends: depends}.Bytes()
}

// File describes a module file, for tests that need more than [Module].
type File struct {
	// Name is the module's name.
	Name string
	// Depends holds the modules that it depends on.
	Depends []string
	// Release is the kernel that it is made for. Default: 6.1.0.
	Release string
	// License is the license it names. Default: GPL.
	License string
	// Info holds more of what the module says of itself, as "key=value": aliases ("alias=pci:v00001AF4d*"), parameters
	// ("parm=debug:how much to say" and "parmtype=debug:int"), firmware, softdep, intree.
	Info []string
	// Exports holds the symbols that it exports besides NAME_call.
	Exports []Symbol
	// Imports holds the symbols that it uses besides those of Depends.
	Imports []Symbol
	// Signer is the name in the signature at the end of the file, which no key verifies. Default: no signature.
	Signer string
}

// Symbol is a symbol that a module exports or uses.
type Symbol struct {
	// Name is its name.
	Name string
	// CRC is its version.
	CRC uint32
	// GPL makes it one that only modules under the GPL may use.
	GPL bool
	// Weak makes it one that a module works without.
	Weak bool
}

// callCRC is the version of the symbols NAME_call.
const callCRC = 0x6d6f6470

// Bytes returns the file.
func (f File) Bytes() []byte {
	if f.Release == "" {
		f.Release = "6.1.0"
	}
	m := kmodtest.Module{
		Name: f.Name, License: f.License, Info: f.Info, Vermagic: f.Release + " SMP mod_unload modversions ",
		Depends: strings.Join(f.Depends, ","),
		Exports: []kmodtest.Export{{Name: symbolOf(f.Name), CRC: callCRC}},
	}
	for _, s := range f.Exports {
		m.Exports = append(m.Exports, kmodtest.Export{Name: s.Name, CRC: s.CRC, GPL: s.GPL})
	}
	imports := slices.Clone(f.Imports)
	for _, name := range f.Depends {
		imports = append(imports, Symbol{Name: symbolOf(name), CRC: callCRC})
	}
	for _, s := range imports {
		m.Imports = append(m.Imports, kmodtest.Import{Name: s.Name, CRC: s.CRC, Weak: s.Weak})
	}
	if f.Signer != "" {
		m.Signature = &kmodtest.Signature{
			Kind: kmodtest.PKCS7, Signer: f.Signer, KeyID: []byte{0x12, 0xab}, Sig: []byte("signature"),
		}
	}
	return m.Bytes()
}

// symbolOf returns the symbol that a module made here exports.
func symbolOf(module string) string { return strings.ReplaceAll(module, "-", "_") + "_call" }

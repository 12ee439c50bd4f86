package modinfo

import (
	"errors"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// An Export is a symbol that a module offers to others.
type Export struct {
	Name      string // the symbol
	Namespace string // the namespace that users have to import; "" for none
	CRC       uint64 // checksum of its type, if HasCRC
	HasCRC    bool   // the symbol has a checksum: its kernel has CONFIG_MODVERSIONS
	GPL       bool   // only for modules under a licence compatible with the GPL
}

// An Import is a symbol that a module needs from the kernel or from another
// module.
type Import struct {
	Name   string // the symbol
	Weak   bool   // the module also loads without it
	CRC    uint64 // the checksum it has to have, if HasCRC
	HasCRC bool   // the module states a checksum
}

// A Version is an entry of the module's table of checksums.
type Version struct {
	Name string // the symbol, or "module_layout": that of the kernel's struct module
	CRC  uint64 // the checksum it has to have
}

// Exports returns the symbols the module offers, in the order of its symbol
// table.
func (m *Module) Exports() ([]Export, error) {
	if m.Builtin {
		return nil, nil
	}
	var list []Export
	err := m.withELF(func(f *elf.File) error {
		table, err := f.ExportTable()
		if err != nil {
			return err
		}
		for _, e := range table {
			list = append(list, Export(e))
		}
		return nil
	})
	return list, err
}

// Imports returns the symbols the module needs, in the order of its symbol
// table.
func (m *Module) Imports() ([]Import, error) {
	if m.Builtin {
		return nil, nil
	}
	var list []Import
	err := m.withELF(func(f *elf.File) error {
		table, err := f.Imports()
		if err != nil {
			return err
		}
		for _, im := range table {
			// An undefined __crc_NAME is left over from an export without a
			// checksum; nobody provides it.
			if !im.Listed && !strings.HasPrefix(im.Name, "__crc_") {
				list = append(list, Import{im.Name, im.Weak, im.CRC, im.HasCRC})
			}
		}
		return nil
	})
	return list, err
}

// Versions returns the checksums the module expects, in the order of its
// table. It is the extended table, which kernels since 6.14 may write and then
// go by, if the module has one.
func (m *Module) Versions() ([]Version, error) {
	if m.Builtin {
		return nil, nil
	}
	var list []Version
	err := m.withELF(func(f *elf.File) error {
		table, err := f.ExtVersions()
		if errors.Is(err, elf.ErrNoSection) {
			table, err = f.Versions()
		}
		if err != nil && !errors.Is(err, elf.ErrNoSection) {
			return err
		}
		for _, v := range table {
			list = append(list, Version(v))
		}
		return nil
	})
	return list, err
}

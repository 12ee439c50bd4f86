// Package kernel reads what kernels and module files tell: what a kernel exports to modules, how its loader was built
// and which sentences it prints, and what the loader looks at in a module.
//
// A [Table] is what one source says is exported: a boot image ([FromImage]), the memory of the running kernel
// ([FromKcore]), a Module.symvers file ([ParseSymvers]) or the version tables of installed modules ([Union]). Package
// check judges modules by it. Nothing here loads anything or reads the running system.
package kernel

import (
	"errors"
	"slices"
	"sort"
	"strings"
)

// Core is the owner of the symbols that the kernel itself exports, as Module.symvers spells it.
const Core = "vmlinux"

// LayoutSymbol is the pseudo symbol whose CRC stands for the kernel's configuration: every module compares it first.
const LayoutSymbol = "module_layout"

// A Symbol is one exported name.
type Symbol struct {
	Name      string // as modules import it
	Namespace string // the namespace an importer must name; "" for none
	Owner     string // Core, or the exporting module's name with underscores
	CRC       uint32 // version of the symbol's type, if HasCRC
	HasCRC    bool   // false: exported without a version, or the version is not known (see Table.CRCs)
	GPL       bool   // only for modules with a GPL-compatible licence
	InTree    bool   // the owner is a module of the kernel's own sources; not known from tables

	From *Module // the owner; nil for the kernel, and where only a table tells of it
}

// An Answer says what a source knows about a name.
type Answer int

// The three answers.
const (
	Unknown Answer = iota // the source is incomplete: the name may be exported or not
	Absent                // certainly not exported
	Found                 // exported
)

// A Table is a sorted list of exported symbols and how far it can be trusted. Strings may share memory with
// the file it was made from.
type Table struct {
	Source   string // what the table was read from, in words for people
	Complete bool   // a name that is not in the table is not exported
	CRCs     bool   // a symbol without a CRC has none; else its CRC is merely not known
	Licences bool   // GPL and Namespace are known; else Namespace is a list of those that a symbol may be in
	symbols  []Symbol
}

// NewTable makes a table of symbols, in any order; of several with one name and owner the first counts. It takes over
// the slice.
func NewTable(source string, symbols []Symbol) *Table {
	slices.SortStableFunc(symbols, func(a, b Symbol) int { return strings.Compare(a.Name, b.Name) })
	symbols = slices.CompactFunc(symbols, func(a, b Symbol) bool { return a.Name == b.Name && a.Owner == b.Owner })
	return &Table{Source: source, Complete: true, CRCs: true, Licences: true, symbols: symbols}
}

// Lookup finds a name. The answer is Absent only from a complete table.
func (t *Table) Lookup(name string) (Symbol, Answer) {
	i := sort.Search(len(t.symbols), func(i int) bool { return t.symbols[i].Name >= name })
	if i < len(t.symbols) && t.symbols[i].Name == name {
		return t.symbols[i], Found
	}
	if t.Complete {
		return Symbol{}, Absent
	}
	return Symbol{}, Unknown
}

// Symbols returns the symbols sorted by name. The slice belongs to the table.
func (t *Table) Symbols() []Symbol { return t.symbols }

// Of returns the table of the symbols that owner exports.
func (t *Table) Of(owner string) *Table {
	part := *t
	part.symbols = nil
	for _, s := range t.symbols {
		if s.Owner == owner {
			part.symbols = append(part.symbols, s)
		}
	}
	return &part
}

// ErrStale reports that a table is of another build than the kernel's modules.
var ErrStale = errors.New("of another build of this kernel: module_layout differs from its modules'")

// Confirm compares the CRC of module_layout in a table with what one of the kernel's own modules was built with.
func (t *Table) Confirm(m *Module) error {
	s, answer := t.Lookup(LayoutSymbol)
	if crc, ok := m.version(LayoutSymbol); ok && answer == Found && s.HasCRC && crc != uint64(s.CRC) {
		return ErrStale
	}
	return nil
}

// Versioned tells whether Confirm has something to compare: both have a CRC of module_layout.
func (t *Table) Versioned(m *Module) bool {
	s, answer := t.Lookup(LayoutSymbol)
	_, ok := m.version(LayoutSymbol)
	return ok && answer == Found && s.HasCRC
}

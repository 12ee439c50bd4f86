package kernel

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// A Module is what a loader looks at in a module file, as the kernel sees it: sections that are not to be loaded do not
// count, of keys in .modinfo the first does.
type Module struct {
	Name       string   // as the kernel's messages have it
	Path       string   // where it was read from; for people, may be empty
	Info       []string // the key=value strings of .modinfo
	Machine    uint16   // ELF machine
	Class      int      // 32 or 64
	BigEndian  bool
	Size       uint64 // of struct module; 0 without one
	Init, Exit int64  // where in it the module's two functions are entered; -1: none
	Imports    []Import
	Exports    []Symbol      // in the order in which the loader looks at them
	Versions   []elf.Version // what it was built with, in the order of the file
	Versioned  bool          // there is a table of versions that the kernel sees
	Extended   bool          // it is the extended one (6.14)
	Basic      bool          // __versions is there, whatever Extended says
	older      []elf.Version // what is in __versions, if Extended
	Symbols    bool          // there is a symbol table
	Flagged    bool          // its exports have flags, which say whether they are for GPL modules only (7.x)
	Signature  Signature
	SysName    string // of the module in /sys/module, which struct module has
	PerCPU     uint64 // bytes of its data that each processor has
	Image      []byte // the ELF part
	err        error  // why it is no ELF module
}

// An Import is an undefined symbol, in the order of the symbol table.
type Import struct {
	Name   string // the symbol
	Weak   bool   // the module also loads without it
	Common bool   // a common symbol: the module was built without -fno-common
}

// ReadModule reads a module file that is expanded. It never fails: [Module.Err] tells what is wrong with the file. The
// Module keeps parts of image.
func ReadModule(path string, image []byte) *Module {
	m := &Module{Path: path, Image: image, Init: -1, Exit: -1}
	m.Image, m.Signature = splitTrailer(image)
	f, err := elf.Parse(m.Image)
	if err != nil {
		m.err = err
		return m
	}
	m.err = f.CheckSections()
	m.Machine, m.Class, m.BigEndian = f.Machine(), f.Class(), f.ByteOrder().Uint16([]byte{0, 1}) == 1
	m.Info, err = f.Modinfo()
	if err != nil && !errors.Is(err, elf.ErrNoSection) && m.err == nil {
		m.err = err
	}
	this, _ := f.ThisModule()
	if this.Size > 0 {
		m.Size, m.Init, m.Exit = this.Size, this.Init, this.Exit
	}
	if m.Name, _ = m.Field("name"); m.Name == "" {
		m.Name = this.Name
	}
	m.SysName = this.Name
	if s, ok := f.Section(".data..percpu"); ok && s.Flags&elf.SectionAlloc != 0 {
		m.PerCPU = s.Size
	}
	m.readVersions(f)
	m.readImports(f)
	m.readExports(f)
	return m
}

// Like tells whether two modules are for kernels of one machine, with one struct module.
func (m *Module) Like(o *Module) bool {
	return m.err == nil && o.err == nil && m.Machine == o.Machine && m.Class == o.Class &&
		m.BigEndian == o.BigEndian && m.Size == o.Size
}

// Err tells why the file cannot be read as a module; nil if it can.
func (m *Module) Err() error { return m.err }

// Field returns the value of a key in .modinfo: the first one, as the kernel takes it.
func (m *Module) Field(key string) (string, bool) {
	for _, s := range m.Info {
		if k, v, ok := strings.Cut(s, "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}

// Fields returns all values of a key in .modinfo.
func (m *Module) Fields(key string) []string {
	var all []string
	for _, s := range m.Info {
		if k, v, ok := strings.Cut(s, "="); ok && k == key {
			all = append(all, v)
		}
	}
	return all
}

func (m *Module) readVersions(f *elf.File) {
	visible := func(name string) bool {
		s, ok := f.Section(name)
		return ok && s.Flags&elf.SectionAlloc != 0
	}
	m.Basic = visible("__versions")
	if visible("__version_ext_crcs") || visible("__version_ext_names") {
		m.Extended, m.Versioned = true, true
		if m.Versions, m.err = f.ExtVersions(); m.err != nil {
			m.Versions = nil
		}
		if m.Basic {
			m.older = basicVersions(f)
		}
	} else if m.Basic {
		m.Versioned = true
		m.Versions = basicVersions(f)
	}
}

// Seen returns the versions that a kernel compares, and whether it finds a table of them. One that does not know the
// extended table (before 6.14) takes __versions.
func (m *Module) Seen(extended bool) (list []elf.Version, table bool) {
	if m.Extended && !extended {
		return m.older, m.Basic
	}
	return m.Versions, m.Versioned
}

// basicVersions reads __versions as the loader does: a name that does not end goes on in the next entry, and what is
// no whole entry is left.
func basicVersions(f *elf.File) (list []elf.Version) {
	const size = 64
	s, _ := f.Section("__versions")
	data, err := f.Data(s)
	if err != nil {
		return nil
	}
	word := f.Class() / 8
	for ; len(data) >= size; data = data[size:] {
		crc := uint64(f.ByteOrder().Uint32(data))
		if word == 8 {
			crc = f.ByteOrder().Uint64(data)
		}
		name, _, _ := bytes.Cut(data[word:min(len(data), word+maxName)], []byte{0})
		list = append(list, elf.Version{Name: strings.TrimPrefix(string(name), "."), CRC: crc})
	}
	return list
}

// readImports lists the undefined symbols of the symbol table, by section type as the kernel finds it.
func (m *Module) readImports(f *elf.File) {
	const symtab, maxImports = 2, 1 << 16 // dozens of times what modules have
	for i := 1; i < f.Sections(); i++ {
		s := f.SectionAt(i)
		if s.Type != symtab || s.Link == 0 || int(s.Link) >= f.Sections() {
			continue
		}
		m.Symbols = true
		table, err1 := f.Data(s)
		names, err2 := f.Data(f.SectionAt(int(s.Link)))
		if err1 != nil || err2 != nil {
			m.err = errors.Join(err1, err2)
			return
		}
		size := 24
		if m.Class == 32 {
			size = 16
		}
		order := f.ByteOrder()
		for at := size; at+size <= len(table); at += size {
			e := table[at : at+size]
			info, section := e[12], order.Uint16(e[14:])
			if m.Class == 64 {
				info, section = e[4], order.Uint16(e[6:])
			}
			const undef, common, weak = 0, 0xfff2, 2
			if section != undef && section != common {
				continue
			}
			off := order.Uint32(e)
			if uint64(off) >= uint64(len(names)) {
				m.err = &elf.FormatError{Off: int64(s.Off) + int64(at),
					What: "symbol's name lies outside the string table"}
				return
			}
			name := names[off:min(uint64(len(names)), uint64(off)+maxName+1)]
			end := bytes.IndexByte(name, 0)
			if end < 0 || len(m.Imports) == maxImports {
				m.err = &elf.FormatError{Off: int64(s.Off) + int64(at),
					What: "symbol's name does not end, or there are too many symbols"}
				return
			}
			m.Imports = append(m.Imports, Import{string(name[:end]), info>>4 == weak, section == common})
		}
		return
	}
}

func (m *Module) readExports(f *elf.File) {
	list, err := f.ExportTable()
	if err != nil {
		return
	}
	loaded := func(name string) bool { // a kernel does not see other tables
		s, ok := f.Section(name)
		return ok && s.Flags&elf.SectionAlloc != 0
	}
	_, flags := f.Section("__kflagstab")
	m.Flagged = loaded("__kflagstab")
	_, intree := m.Field("intree")
	for _, e := range list {
		kind := ""
		if e.GPL && !flags {
			kind = "_gpl"
		}
		if !loaded("__ksymtab" + kind) {
			continue
		}
		// An export without a CRC has 0 in the table of its kind, which counts as one.
		m.Exports = append(m.Exports, Symbol{e.Name, e.Namespace, m.Name, uint32(e.CRC), loaded("__kcrctab" + kind),
			e.GPL && flags == m.Flagged, intree, m})
	}
	// The loader goes through one table after the other, each sorted by name; with flags there is only one.
	slices.SortStableFunc(m.Exports, func(a, b Symbol) int {
		switch {
		case m.Flagged || a.GPL == b.GPL:
			return strings.Compare(a.Name, b.Name)
		case a.GPL:
			return 1
		}
		return -1
	})
}

// version finds what the module expects of a symbol.
func (m *Module) version(name string) (crc uint64, ok bool) {
	for _, v := range m.Versions {
		if v.Name == name {
			return v.CRC, true
		}
	}
	return 0, false
}

// gplLicences are the values of license= that the kernel takes for compatible with the GPL.
var gplLicences = [...]string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL",
	"Dual MPL/GPL"}

// Licence returns the module's licence and whether it may use GPL-only symbols.
func (m *Module) Licence() (string, bool) {
	l, ok := m.Field("license")
	if !ok {
		return "unspecified", false
	}
	for _, g := range gplLicences {
		if l == g {
			return l, true
		}
	}
	return l, false
}

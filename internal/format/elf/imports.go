package elf

import (
	"bytes"
	"errors"
	"strings"
)

// A Version is the checksum a module expects a symbol of the kernel or of
// another module to have.
type Version struct {
	Name string // the symbol
	CRC  uint64 // as stored; only the low 32 bits are ever set in a sound file
}

// versionSize is the size of an entry of __versions, whatever the word size.
const versionSize = 64

// Versions returns the entries of the section __versions in their order; a
// leading dot of a name, a mark of ppc64, is dropped. The error is
// [ErrNoSection] if there is no such section.
func (f *File) Versions() ([]Version, error) {
	list := []Version{}
	err := f.eachVersion(func(name []byte, crc uint64) {
		list = append(list, Version{strings.TrimPrefix(string(name), "."), crc})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// eachVersion calls do with each entry of __versions, whose name is valid
// during the call only. The error is [ErrNoSection] if there is no such section.
func (f *File) eachVersion(do func(name []byte, crc uint64)) error {
	data, off, err := f.contents("__versions")
	if err != nil {
		return err
	}
	if len(data)%versionSize != 0 {
		return badf(off, "__versions of %d bytes is not a whole number of entries", len(data))
	}
	for i := 0; i < len(data); i += versionSize {
		entry := data[i:][:versionSize]
		name := entry[f.longSize():]
		end := bytes.IndexByte(name, 0)
		if end < 0 {
			return badf(off+uint64(i), "name in __versions does not end in a NUL")
		}
		do(name[:end], f.long(entry))
	}
	return nil
}

// ExtVersions returns the extended form of the table, which kernels have had
// since 6.14 for names too long for [File.Versions]: the sections
// __version_ext_crcs and __version_ext_names. The error is [ErrNoSection] if
// there is neither. Where a module has both forms the kernel goes by this one.
func (f *File) ExtVersions() ([]Version, error) {
	crcs, off, err := f.contents("__version_ext_crcs")
	names, namesOff, err2 := f.contents("__version_ext_names")
	switch {
	case errors.Is(err, ErrNoSection) && err2 == nil:
		return nil, badf(namesOff, "__version_ext_names without __version_ext_crcs")
	case err == nil && errors.Is(err2, ErrNoSection):
		return nil, badf(off, "__version_ext_crcs without __version_ext_names")
	case err != nil:
		return nil, err
	case err2 != nil:
		return nil, err2
	case len(crcs)%4 != 0:
		return nil, badf(off, "__version_ext_crcs of %d bytes is not a whole number of entries", len(crcs))
	}
	list := make([]Version, 0, len(crcs)/4)
	rest := string(names)
	for i := 0; i < len(crcs); i += 4 {
		name, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return nil, badf(namesOff+uint64(len(names)),
				"__version_ext_names has fewer names than __version_ext_crcs has checksums")
		}
		rest = after
		list = append(list, Version{name, uint64(f.u32(crcs[i:]))})
	}
	return list, nil
}

// An Import is a symbol that a module needs from the kernel or another module.
type Import struct {
	Name   string // the symbol
	Weak   bool   // the module also loads without it
	CRC    uint64 // the checksum it has to have, if HasCRC
	HasCRC bool   // the module states a checksum

	// Listed is set if the symbol table does not mention the symbol, only the
	// table of versions does. So it is with module_layout, the checksum of the
	// layout of struct module.
	Listed bool
}

// Imports returns the undefined symbols in the order of the symbol table, then
// those which only the table of versions has, in the order of that table. As
// with kmod, a module without a symbol table imports nothing. A symbol that
// [File.ExtVersions] knows gets its checksum from there.
func (f *File) Imports() ([]Import, error) {
	syms, err := f.symbols()
	if err != nil || syms.len() == 0 {
		return nil, err
	}
	versions, err := f.allVersions()
	if err != nil {
		return nil, err
	}
	index := make(map[string]int, len(versions))
	for i, v := range versions {
		if _, ok := index[v.Name]; !ok {
			index[v.Name] = i
		}
	}
	used := make([]bool, len(versions))
	var list []Import
	for i := 1; i < syms.len(); i++ {
		if syms.section(i) != shnUndef {
			continue
		}
		if syms.info(i)&0xf == sttRegister && (f.machine == emSPARC || f.machine == emSPARCv9) {
			continue
		}
		name := syms.name(i)
		if name == nil {
			return nil, syms.bad(i)
		}
		if len(name) == 0 {
			continue
		}
		if err := syms.keep(i, name); err != nil {
			return nil, err
		}
		im := Import{Name: string(name), Weak: syms.info(i)>>4 == stbWeak}
		if at, ok := index[im.Name]; ok {
			im.CRC, im.HasCRC = versions[at].CRC, true
			used[at] = true
		}
		list = append(list, im)
	}
	for i, v := range versions {
		if index[v.Name] == i && !used[i] {
			list = append(list, Import{Name: v.Name, CRC: v.CRC, HasCRC: true, Listed: true})
		}
	}
	return list, nil
}

const (
	stbWeak     = 2
	sttRegister = 13
)

// allVersions returns the extended versions, then the others; of two entries
// for one symbol the first counts.
func (f *File) allVersions() ([]Version, error) {
	ext, err := f.ExtVersions()
	if err != nil && !errors.Is(err, ErrNoSection) {
		return nil, err
	}
	basic, err := f.Versions()
	if err != nil && !errors.Is(err, ErrNoSection) {
		return nil, err
	}
	if ext == nil {
		return basic, nil
	}
	return append(ext, basic...), nil
}

package kernel

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Union gathers what a kernel exports out of the version tables of its own modules: the CRCs they were built with.
// Only modules of that release and from the kernel's own sources count. What no module uses stays unknown; so do
// licences. Of the namespaces those are left that all users of a symbol import: mostly none.
func Union(source, release string, modules iter.Seq[*Module]) *Table {
	found := map[string]*Symbol{}
	own := map[string]bool{} // exported by modules, not by the kernel
	for m := range modules {
		magic, _ := m.Field("vermagic")
		if _, intree := m.Field("intree"); m.Err() != nil || !intree || MagicRelease(magic) != release {
			continue
		}
		imports := m.Fields("import_ns")
		for _, v := range m.Versions {
			s := found[v.Name]
			if s == nil {
				s = &Symbol{Name: strings.Clone(v.Name), Namespace: strings.Join(imports, " "), Owner: Core, CRC: uint32(v.CRC), HasCRC: true}
				found[s.Name] = s
			} else if s.Namespace != "" {
				s.Namespace = common(s.Namespace, imports)
			}
		}
		for _, e := range m.Exports {
			own[strings.Clone(e.Name)] = true
		}
	}
	var symbols []Symbol
	for name, s := range found {
		if !own[name] {
			symbols = append(symbols, *s)
		}
	}
	t := NewTable(source, symbols)
	t.Complete, t.Licences = false, false
	return t
}

// common returns those words that the list has.
func common(words string, list []string) string {
	both := slices.DeleteFunc(strings.Fields(words), func(w string) bool { return !slices.Contains(list, w) })
	return strings.Join(both, " ")
}

// ReadConfig completes features by a kernel's configuration file. An option that is not mentioned is off.
func (f *Features) ReadConfig(config string) {
	if !strings.Contains(config, "CONFIG_MODULES=") {
		return
	}
	set := func(t *Tri, option string) {
		if *t == Maybe {
			*t = tri(strings.Contains(config, "\nCONFIG_"+option+"=y\n"))
		}
	}
	set(&f.ForceLoad, "MODULE_FORCE_LOAD")
	set(&f.Signatures, "MODULE_SIG")
	set(&f.Versions, "MODVERSIONS")
	set(&f.Livepatch, "LIVEPATCH")
	set(&f.SignEnforce, "MODULE_SIG_FORCE")
	set(&f.TypesRead, "DEBUG_INFO_BTF_MODULES")
	if f.TypesDecide == Maybe && strings.Contains(config, "CONFIG_MODULE_ALLOW_BTF_MISMATCH") {
		f.TypesDecide = tri(!strings.Contains(config, "\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n"))
	}
	if f.Namespaces == Maybe {
		f.Namespaces = tri(!strings.Contains(config, "\nCONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y\n"))
	}
}

// ErrStale says that a table is of another build than the kernel's modules.
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

// Fill completes features by others.
func (f *Features) Fill(other Features) {
	from := other.tris()
	for i, t := range f.tris() {
		if *t == Maybe {
			*t = *from[i]
		}
	}
}

// TaintLetters turns the number in /proc/sys/kernel/tainted into the kernel's letters.
func TaintLetters(number string) string {
	mask, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return ""
	}
	var letters []byte
	for i, c := range []byte("PFSRMBUDAWCIOELKXTNJ") {
		if mask>>i&1 == 1 {
			letters = append(letters, c)
		}
	}
	return string(letters)
}

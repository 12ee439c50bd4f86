package kernel

import (
	"iter"
	"slices"
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
				s = &Symbol{Name: strings.Clone(v.Name), Namespace: strings.Join(imports, " "),
					Owner: Core, CRC: uint32(v.CRC), HasCRC: true}
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

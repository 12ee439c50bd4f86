package kmodtest

import (
	"debug/elf"
	"strings"
)

// Bytes returns the module file, not compressed.
func (m Module) Bytes() []byte {
	if m.Raw != nil {
		return m.Raw
	}
	w := newWriter(&m)
	w.note()
	w.text()
	w.exports()
	w.section(".modinfo", elf.SHF_ALLOC, 1, m.modinfo())
	w.imports()
	w.params()
	w.thisModule()
	for _, s := range m.Sections {
		i := w.section(s.Name, s.Flags, 1, s.Data)
		if s.Type != 0 {
			w.sections[i].typ = s.Type
		}
	}
	image := w.finish()
	if m.Signature != nil {
		image = append(image, m.Signature.bytes()...)
	}
	return image
}

// modinfo returns the content of .modinfo.
func (m *Module) modinfo() []byte {
	var all []string
	add := func(key string, values ...string) {
		for _, v := range values {
			all = append(all, key+"="+v)
		}
	}
	if !m.Bare {
		add("license", or(m.License, "GPL"))
	}
	all = append(all, m.Info...)
	if !m.Bare {
		add("alias", m.Aliases...)
		add("softdep", m.Softdeps...)
		add("weakdep", m.Weakdeps...)
		add("firmware", m.Firmware...)
		for _, p := range m.Params {
			if p.Desc != "" {
				add("parm", p.Name+":"+p.Desc)
			}
			if p.Type != "" {
				add("parmtype", p.Name+":"+p.Type)
			}
		}
		add("depends", m.Depends)
		add("retpoline", "Y")
		add("name", m.name())
		add("vermagic", or(m.Vermagic, vermagic("6.1.0")))
	}
	var b []byte
	for _, s := range all {
		b = append(append(b, s...), 0)
	}
	return b
}

// name returns the module's name as the kernel has it.
func (m *Module) name() string { return strings.ReplaceAll(m.Name, "-", "_") }

func vermagic(release string) string { return release + " SMP mod_unload modversions " }

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

package kmodtest

import (
	"debug/elf"
	"fmt"
	"slices"
	"strconv"
)

// setOps is a line "paramops NAME OPS [MAX [ELEM]]".
func (m *Module) setOps(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("paramops wants a name and functions")
	}
	i := slices.IndexFunc(m.Params, func(p Param) bool { return p.Name == words[0] })
	if i < 0 {
		i = len(m.Params)
		m.Params = append(m.Params, Param{Name: words[0]})
	}
	p := &m.Params[i]
	p.Ops = words[1]
	if len(words) > 2 {
		n, err := strconv.ParseUint(words[2], 0, 32)
		if err != nil {
			return err
		}
		p.Max = uint32(n)
	}
	if len(words) > 3 {
		p.Elem = words[3]
	}
	return nil
}

// params writes the table of parameters, __param, and what it points to.
func (w *writer) params() {
	var table, data []byte
	var relocs, inData []reloc
	rodata := len(w.sections)
	w.sections = append(w.sections, section{name: ".rodata.params", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, align: 8})
	put := func(label string, b []byte) {
		data = pad(data, 8)
		w.local(label, len(data), rodata)
		data = append(data, b...)
	}
	for _, p := range w.m.Params {
		if p.Ops == "" {
			continue
		}
		put("__param_str_"+p.Name, append([]byte(p.Name), 0))
		elem := ""
		if p.Elem != "" {
			elem = w.setter(p.Elem, put)
		}
		ops := w.setter(p.Ops, put)
		put("__param_arg_"+p.Name, nil)
		if elem != "" {
			inData = append(inData, reloc{len(data) + 8 + w.long(), elem, w.arch.abs})
		}
		data = pad(w.order.AppendUint32(data, p.Max), 8)
		data = append(data, make([]byte, 3*w.long())...)
		at, long := len(table), w.long()
		relocs = append(relocs, reloc{at, "__param_str_" + p.Name, w.arch.abs}, reloc{at + 2*long, ops, w.arch.abs},
			reloc{at + 4*long, "__param_arg_" + p.Name, w.arch.abs})
		entry := make([]byte, 5*long)
		entry[3*long+3] = p.Flags
		table = append(table, entry...)
	}
	if table == nil {
		w.sections = w.sections[:rodata]
		return
	}
	w.sections[rodata].data = data
	w.relocate(rodata, inData)
	w.relocate(w.section("__param", elf.SHF_ALLOC, w.long(), table), relocs)
}

// setter returns the symbol of functions that set parameters: the kernel's, or the module's own.
func (w *writer) setter(ops string, put func(string, []byte)) string {
	has := func(s symbol) bool { return s.name == ops }
	switch {
	case slices.ContainsFunc(w.globals, has) || slices.ContainsFunc(w.locals, has):
	case ops == "own":
		put(ops, make([]byte, 32))
	default:
		w.globals = append(w.globals, symbol{ops, 0, 0, int(elf.SHN_UNDEF), elf.STB_GLOBAL, elf.STT_NOTYPE})
	}
	return ops
}

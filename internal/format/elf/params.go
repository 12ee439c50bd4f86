package elf

import (
	"bytes"
	"fmt"
)

// A Param is one entry of a module's table of parameters (__param), which is what the kernel goes by; parm and parmtype
// in .modinfo are for people.
type Param struct {
	Name  string // the parameter
	Ops   string // the symbol of the functions that set and print it; "" if it has no name
	Own   bool   // the module itself has these functions
	Flags byte   // FlagUnsafe, FlagHardware
	Max   uint32 // of an array (ArrayOps) the most elements; of a string in place (StringOps) its bytes with the NUL
	Elem  string // of an array: Ops of each element
}

// Flags of parameters, and the kernel's two kinds whose argument says how much there is room for.
const (
	FlagUnsafe   = 1 // setting it marks the kernel
	FlagHardware = 2 // not to be set on a kernel that is locked down

	ArrayOps  = "param_array_ops"
	StringOps = "param_ops_string"
)

const (
	paramTable   = "__param"
	maxParams    = 1 << 12 // twenty times what modules have
	maxParamName = 256
)

// A reloc is what a relocation puts into its place: an address of a section of this file, or a symbol of another.
type reloc struct {
	symbol int    // number of the symbol
	addend uint64 // to be added to its value
}

// relocs calls do for each relocation of the section with that number whose symbol is in the symbol table. The addend
// is 0 if it stands in the section itself.
func (f *File) relocs(index int, syms *symbols, do func(off uint64, r reloc)) error {
	total := uint64(0) // of relocations
	for i := 1; i < f.count; i++ {
		s := f.SectionAt(i)
		if (s.Type != shtRel && s.Type != shtRela) || int(s.Info) != index {
			continue
		}
		data, err := f.Data(s)
		if err != nil {
			return err
		}
		if total += s.Size; total > 4*f.size {
			return badf(s.Off, "section %d overlaps others, as they do each other", i)
		}
		long := f.longSize()
		step := 2 * long
		if s.Type == shtRela {
			step += long
		}
		for ; len(data) >= step; data = data[step:] {
			var sym uint64
			if info := f.long(data[long:]); !f.wide {
				sym = info >> 8
			} else if f.machine == emMIPS && !f.big {
				sym = info & 0xffffffff // MIPS swaps the halves
			} else {
				sym = info >> 32
			}
			if sym >= uint64(syms.len()) {
				continue
			}
			r := reloc{symbol: int(sym)}
			if s.Type == shtRela {
				r.addend = f.long(data[2*long:])
			}
			do(f.long(data), r)
		}
	}
	return nil
}

// Params returns the module's table of parameters; none if it has none. The error tells that the table is not as
// kernels since 4.2 have it.
func (f *File) Params() ([]Param, error) {
	index := f.find(paramTable)
	if index == 0 {
		return nil, nil
	}
	table, off, err := f.contents(paramTable)
	if err != nil {
		return nil, err
	}
	syms, err := f.symbols()
	if err != nil {
		return nil, err
	}
	// struct kernel_param: name, module, functions, rights (16 bits), level, flags, argument.
	long := uint64(f.longSize())
	step := 5 * long
	n := uint64(len(table)) / step
	if n*step != uint64(len(table)) || n > maxParams {
		return nil, badf(off, "%s has %d bytes", paramTable, len(table))
	}
	p := &paramReader{
		f: f, syms: syms, table: map[uint64]reloc{}, others: map[int]map[uint64]reloc{}, args: map[int]place{},
	}
	if err := f.relocs(index, syms, func(at uint64, r reloc) { p.table[at] = r }); err != nil {
		return nil, err
	}
	list := make([]Param, n)
	for i := range list {
		if err := p.entry(&list[i], i, table, uint64(i)*step); err != nil {
			return nil, badf(off+uint64(i)*step, "%s: %v", paramTable, err)
		}
	}
	return list, p.arguments(list)
}

// A place is where something stands in a section.
type place struct {
	section int
	off     uint64
}

// paramReader reads a table of parameters.
type paramReader struct {
	f      *File
	syms   *symbols
	table  map[uint64]reloc         // relocations of the table
	others map[int]map[uint64]reloc // of sections with arguments
	args   map[int]place            // where arguments of parameters stand
}

// entry reads one entry, all but what its argument points to.
func (p *paramReader) entry(to *Param, i int, table []byte, at uint64) error {
	long := uint64(p.f.longSize())
	name, ok := p.table[at]
	if !ok {
		return fmt.Errorf("entry %d has no name", i)
	}
	where, ok := p.place(name, table[at:])
	text := p.bytes(where, maxParamName)
	text, _, ended := bytes.Cut(text, []byte{0})
	if !ok || !ended {
		return fmt.Errorf("the name of entry %d is not in the file", i)
	}
	to.Name = string(text)
	ops, ok := p.table[at+2*long]
	if !ok {
		return fmt.Errorf("entry %d has no functions", i)
	}
	to.Ops, to.Own = p.symbol(ops)
	to.Flags = table[at+3*long+3]
	if to.Ops == ArrayOps || to.Ops == StringOps {
		if arg, ok := p.table[at+4*long]; ok {
			if where, ok := p.place(arg, table[at+4*long:]); ok {
				p.args[i] = where
			}
		}
	}
	return nil
}

// arguments reads what is said of arrays and strings where the arguments point to.
func (p *paramReader) arguments(list []Param) error {
	long := uint64(p.f.longSize())
	for i, where := range p.args {
		data := p.bytes(where, 4)
		if len(data) < 4 {
			continue
		}
		to := &list[i]
		to.Max = p.f.u32(data)
		if to.Ops != ArrayOps {
			continue
		}
		known, ok := p.others[where.section]
		if !ok {
			known = map[uint64]reloc{}
			wanted := map[uint64]bool{} // struct kparam_array: most elements, size of one, their count, functions
			for _, w := range p.args {
				wanted[w.off+8+long] = wanted[w.off+8+long] || w.section == where.section
			}
			err := p.f.relocs(where.section, p.syms, func(at uint64, r reloc) {
				if wanted[at] {
					known[at] = r
				}
			})
			if err != nil {
				return err
			}
			p.others[where.section] = known
		}
		if ops, ok := known[where.off+8+long]; ok {
			to.Elem, _ = p.symbol(ops)
		}
	}
	return nil
}

// symbol returns the name of a relocation's symbol, and whether this file has it.
func (p *paramReader) symbol(r reloc) (name string, own bool) {
	return string(p.syms.name(r.symbol)), p.syms.section(r.symbol) != shnUndef
}

// place returns where a relocation points to in this file. here is what stands in its own place.
func (p *paramReader) place(r reloc, here []byte) (place, bool) {
	section := p.syms.section(r.symbol)
	if section == shnUndef || section >= p.f.count {
		return place{}, false
	}
	if r.addend == 0 {
		r.addend = p.f.long(here)
	}
	return place{section, p.syms.value(r.symbol) + r.addend}, true
}

// bytes returns up to n bytes from a place.
func (p *paramReader) bytes(from place, n uint64) []byte {
	if from.section == 0 {
		return nil
	}
	s := p.f.SectionAt(from.section)
	if s.Type == shtNobits || from.off >= s.Size || !p.f.fits(s.Off, s.Size) {
		return nil
	}
	data, err := p.f.read(s.Off+from.off, min(n, s.Size-from.off))
	if err != nil {
		return nil
	}
	return data
}

// Package types compares the types of two kernels: which of them changed, how, which exported symbols reach them, and
// what that means for a module that was built for one of them and is to be loaded into the other.
//
// A version of a symbol, its CRC, says that something it can reach changed, not what. The types in BTF say that. They
// explain why a kernel refuses a module; they never overrule an equal CRC, since BTF does not know which types the
// exporter's source could see.
//
// Types are compared in pairs: a prototype in the first kernel with the same in the second, then what both refer to
// at the same place. So two structures of one name are not mixed up. A pair is compared once, and only when something
// reaches it.
package types

import (
	"iter"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// An Export is a symbol that modules can use, with its version.
type Export struct {
	Name   string // as modules import it
	CRC    uint32 // its version, if HasCRC
	HasCRC bool   // false: exported without a version, or the version is not known
}

// A Side is a kernel, or a module that exports symbols: its types and what it exports.
type Side struct {
	Types   *btf.File // of a module: split, over the kernel's
	Exports []Export  // in any order

	// Distilled says that Types are a module's section .BTF.base, which stands for a kernel that is not there: its
	// structures have a size and no members.
	Distilled bool
}

// A Comparison is that of two kernels: a, that something was built for, and b. It compares what is asked for, and
// keeps it, so it must not be used by several goroutines at a time.
type Comparison struct {
	a, b    Side
	spaces  []space
	symbols map[string]*symbol // those that were looked for
	looked  bool               // for those of a module
	left    int                // steps that may still be made to compare

	nodes []node
	ids   map[key]int32
	edges []edge
	first map[btf.ID]int32 // the first pair of a type of kernel a
	told  map[int32]TypeChange

	namedA, namedB index // of the kernels; made when asked for
}

// A space is where ids are looked up: the two kernels, or two builds of a module over them.
type space struct {
	a, b *btf.File

	exportsA, exportsB []Export
	indexed            bool // symbols has all of them
}

// maxSteps is how many types are looked at in all to compare, and how many to tell what one type or one module is
// about. Two kernels need 200,000, a large module 50,000; more than this is made to keep us busy.
const maxSteps = 1 << 22

// maxDepth is how deep types without names may be nested, and pointers to pointers. Kernels have less than twenty.
const maxDepth = 64

// Compare begins a comparison of two kernels. It compares nothing yet.
func Compare(a, b Side) *Comparison {
	c := &Comparison{
		a: a, b: b, left: maxSteps, symbols: map[string]*symbol{}, ids: map[key]int32{},
		first: map[btf.ID]int32{}, told: map[int32]TypeChange{},
	}
	c.AddModule(a, b)
	return c
}

// AddModule adds what a module exports in both kernels. Its types must be split over theirs.
func (c *Comparison) AddModule(a, b Side) {
	c.spaces = append(c.spaces, space{a: a.Types, b: b.Types, exportsA: a.Exports, exportsB: b.Exports})
}

// TooMuch tells that the types are too many or nested too deep to be compared: what is not found to differ is then
// not known to be the same.
func (c *Comparison) TooMuch() bool { return c.left <= 0 }

// A symbol is an export of a, b or both.
type symbol struct {
	name     string
	a, b     *Export // nil: it does not export it
	space    uint32
	idA, idB btf.ID // the function or variable, 0 if it has no type
	node     int32  // -1: not asked for yet
}

// typed tells whether both kernels have a type for a symbol.
func (s *symbol) typed() bool { return s.idA != 0 && s.idB != 0 }

// differs tells whether its version differs; not if one of them has none.
func (s *symbol) differs() bool {
	return s.a != nil && s.b != nil && s.a.HasCRC && s.b.HasCRC && s.a.CRC != s.b.CRC
}

// look fills symbols: for the first module with what it imports, then with all. There are ten thousand, and one module
// needs a hundred: to find these alone takes a fifth of the time.
func (c *Comparison) look(imports []Export) {
	if imports == nil || c.looked {
		for i := range c.spaces {
			if s := &c.spaces[i]; !s.indexed {
				s.indexed = true
				c.find(uint32(i), nil)
			}
		}
		return
	}
	c.looked = true
	wanted := make(map[string]bool, len(imports))
	for _, im := range imports {
		wanted[im.Name] = true
	}
	for i := range c.spaces {
		c.find(uint32(i), wanted)
	}
}

// find enters the exports of one space, those that are wanted if that is not nil.
func (c *Comparison) find(in uint32, wanted map[string]bool) {
	of := &c.spaces[in]
	found := make(map[string]*symbol, len(wanted))
	get := func(name string) *symbol {
		s := found[name]
		if s == nil {
			s = &symbol{name: name, space: in, node: -1}
			found[name] = s
		}
		return s
	}
	for i := range of.exportsA {
		if e := &of.exportsA[i]; wanted == nil || wanted[e.Name] {
			get(e.Name).a = e
		}
	}
	for i := range of.exportsB {
		if e := &of.exportsB[i]; wanted == nil || wanted[e.Name] {
			get(e.Name).b = e
		}
	}
	// Some functions are there twice: the first counts.
	for name, id := range objects(of.a) {
		if s := found[name]; s != nil && s.idA == 0 {
			s.idA = id
		}
	}
	for name, id := range objects(of.b) {
		if s := found[name]; s != nil && s.idB == 0 {
			s.idB = id
		}
	}
	for name, s := range found {
		if s.typed() && assembled(of.a, s.idA) != assembled(of.b, s.idB) {
			s.idA, s.idB = 0, 0
		}
		if c.symbols[name] == nil { // the kernel's own before a module's
			c.symbols[name] = s
		}
	}
}

// assembled tells whether a function takes and returns nothing, which is what BTF says of all that are written in
// assembler.
func assembled(f *btf.File, id btf.ID) bool {
	t := f.Type(id)
	proto := f.Type(t.Ref)
	return t.Kind == btf.Func && proto.Kind == btf.FuncProto && proto.Len == 0 && proto.Ref == 0
}

// objects yields functions and variables.
func objects(f *btf.File) iter.Seq2[string, btf.ID] {
	return func(yield func(string, btf.ID) bool) {
		if f == nil {
			return
		}
		for t := range f.OfKind(btf.Func, btf.Var) {
			if !yield(t.Name(), t.ID) {
				return
			}
		}
	}
}

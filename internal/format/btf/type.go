package btf

import (
	"iter"
	"strings"
)

// A Type is one type of a file. What it refers to is named by id.
type Type struct {
	ID   ID     // its own number
	Kind Kind   // what it is
	Flag bool   // kind_flag: there are bit fields; a Fwd is of a union; an Enum is signed; a tag is an attribute
	Len  int    // number of members, enumerators, parameters or variables
	Size uint32 // bytes of an Int, Float, Struct, Union, Enum, Enum64 or Datasec
	Ref  ID     // what the other kinds point to, stand for, return or are of
	f    *File  // whose data it is in
	at   int    // where it starts there
}

// A Member is one of a structure or union.
type Member struct {
	Name   string // "" for an anonymous structure or union
	Type   ID     // what it is
	Offset uint32 // from the start of the structure, in bits
	Bits   uint32 // width of a bit field, else 0
}

// A Param is one of a function; the last one of type 0 and without name is the dots.
type Param struct {
	Name string // "" if the source has none
	Type ID     // what it is
}

// An Enumerator is one constant of an enumeration.
type Enumerator struct {
	Name  string // in C
	Value int64  // the 64 bits of it: of an unsigned enumeration a uint64
}

// A Place is one variable of a section.
type Place struct {
	Type         ID     // a Var, or in some files a Func
	Offset, Size uint32 // in bytes
}

// Type returns the type of an id; what is behind the last is Void, as 0 is.
func (f *File) Type(id ID) Type {
	if id < f.first && f.base != nil {
		f = f.base
	}
	if id < f.first || id >= f.End() {
		return Type{f: f}
	}
	return f.at(id)
}

// at reads a type of the file's own.
func (f *File) at(id ID) Type {
	at := int(f.starts[id-f.first])
	info, word := f.u32(at+4), f.u32(at+8)
	t := Type{ID: id, Kind: Kind(info >> 24 & 0x1f), Flag: info>>31 != 0, Len: int(info & 0xffff), f: f, at: at}
	switch t.Kind {
	case Int, Float, Struct, Union, Enum, Enum64, Datasec:
		t.Size = word
	case Pointer, Typedef, Volatile, Const, Restrict, Func, FuncProto, Var, DeclTag, TypeTag:
		t.Ref = ID(word)
	}
	return t
}

// Types yields the types of the file itself, not those of its base.
func (f *File) Types() iter.Seq[Type] {
	return func(yield func(Type) bool) {
		for i := range f.starts {
			if !yield(f.at(f.first + ID(i))) {
				return
			}
		}
	}
}

// OfKind yields the types of some kinds, of the file itself.
func (f *File) OfKind(list ...Kind) iter.Seq[Type] {
	var wanted uint32
	for _, k := range list {
		wanted |= 1 << (k & 31)
	}
	return func(yield func(Type) bool) {
		for i, at := range f.starts {
			if wanted>>(f.u32(int(at)+4)>>24&0x1f)&1 != 0 && !yield(f.at(f.first+ID(i))) {
				return
			}
		}
	}
}

// Lookup returns the types of a name, those of the base too: structures and unions, enumerations, typedefs, numbers,
// functions and variables. Kernels have several of some names.
func (f *File) Lookup(name string) []Type {
	var found []Type
	for file := f; file != nil && name != ""; file = file.base {
		for t := range file.OfKind(Int, Float, Struct, Union, Enum, Enum64, Typedef, Func, Var, Fwd) {
			if t.Name() == name {
				found = append(found, t)
			}
		}
	}
	return found
}

// string returns the string at an offset.
func (f *File) string(off uint32) string {
	if off < f.textFrom {
		f = f.base
	}
	s := f.text[off-f.textFrom:]
	if len(s) == 0 {
		return ""
	}
	return s[:strings.IndexByte(s, 0)]
}

// Name returns the type's name, "" if it has none.
func (t Type) Name() string {
	if t.Kind == Void {
		return ""
	}
	return t.f.string(t.f.u32(t.at))
}

// Named tells whether the type has a name.
func (t Type) Named() bool { return t.Kind != Void && t.f.u32(t.at) != 0 && t.Name() != "" }

// list is where element i of the type starts.
func (t Type) list(i int) int {
	return t.at + recordSize + fixedSize(t.Kind) + i*elementSize(t.Kind)
}

// Member returns member i of a Struct or Union, with 0 ≤ i < t.Len.
func (t Type) Member(i int) Member {
	at := t.list(i)
	off := t.f.u32(at + 8)
	m := Member{Name: t.f.string(t.f.u32(at)), Type: ID(t.f.u32(at + 4)), Offset: off}
	if t.Flag {
		m.Offset, m.Bits = off&0xffffff, off>>24
	}
	return m
}

// Param returns parameter i of a FuncProto, with 0 ≤ i < t.Len.
func (t Type) Param(i int) Param {
	at := t.list(i)
	return Param{Name: t.f.string(t.f.u32(at)), Type: ID(t.f.u32(at + 4))}
}

// Enumerator returns constant i of an Enum or Enum64, with 0 ≤ i < t.Len.
func (t Type) Enumerator(i int) Enumerator {
	at := t.list(i)
	e := Enumerator{Name: t.f.string(t.f.u32(at))}
	v := t.f.u32(at + 4)
	switch {
	case t.Kind == Enum64:
		e.Value = int64(uint64(t.f.u32(at+8))<<32 | uint64(v))
	case t.Flag:
		e.Value = int64(int32(v))
	default:
		e.Value = int64(v)
	}
	return e
}

// Place returns variable i of a Datasec, with 0 ≤ i < t.Len.
func (t Type) Place(i int) Place {
	at := t.list(i)
	return Place{Type: ID(t.f.u32(at)), Offset: t.f.u32(at + 4), Size: t.f.u32(at + 8)}
}

// Array returns what an Array has elements of, how many, and the type they are counted in.
func (t Type) Array() (elem ID, n uint32, index ID) {
	at := t.at + recordSize
	return ID(t.f.u32(at)), t.f.u32(at + 8), ID(t.f.u32(at + 4))
}

// How an Int is meant, as Encoding has it.
const (
	Signed = 1 << iota // has negative values
	Char               // is a character
	Bool               // is true or false
)

// Encoding returns how an Int is meant, where in its bytes it begins and how many bits it has.
func (t Type) Encoding() (encoding, offset, bits uint8) {
	w := t.f.u32(t.at + recordSize)
	return uint8(w >> 24 & 0xf), uint8(w >> 16), uint8(w)
}

// Linkage returns 0 for a static Var or Func, 1 for a global one, 2 for one that is defined elsewhere.
func (t Type) Linkage() uint32 {
	if t.Kind == Var {
		return t.f.u32(t.at + recordSize)
	}
	return uint32(t.Len)
}

// Component returns which member or parameter a DeclTag is about, -1 for all of the type.
func (t Type) Component() int32 { return int32(t.f.u32(t.at + recordSize)) }

// maxDepth is how long a chain of pointers, arrays, typedefs and qualifiers may be. Kernels have less than ten.
const maxDepth = 64

// Size returns how many bytes a variable of that type has; not ok for void, functions, and what is only declared.
func (f *File) Size(id ID) (n uint64, ok bool) {
	times := uint64(1)
	for range maxDepth {
		t := f.Type(id)
		switch t.Kind {
		case Int, Float, Struct, Union, Enum, Enum64, Datasec:
			return times * uint64(t.Size), true
		case Pointer:
			return times * uint64(f.PointerSize()), true
		case Array:
			elem, n, _ := t.Array()
			if n > 0 && times > maxSize/uint64(n) {
				return 0, false
			}
			times *= uint64(n)
			id = elem
		case Typedef, Volatile, Const, Restrict, TypeTag, Var:
			id = t.Ref
		default:
			return 0, false
		}
	}
	return 0, false
}

// maxSize is more elements than a variable can have.
const maxSize = 1 << 31

// Resolve follows typedefs, qualifiers and tags to what they stand for.
func (f *File) Resolve(id ID) Type {
	for range maxDepth {
		t := f.Type(id)
		switch t.Kind {
		case Typedef, Volatile, Const, Restrict, TypeTag:
			id = t.Ref
		default:
			return t
		}
	}
	return Type{f: f}
}

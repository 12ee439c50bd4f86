package kmodtest

import "encoding/binary"

// A BTF writes types as a kernel or module has them, and wrong ones as well: nothing is checked.
type BTF struct {
	// Order is the byte order; nil is little-endian.
	Order binary.ByteOrder
	// Base is what split BTF goes on from, or nil.
	Base *BTF
	// Types and Strings are how many a base has that is not made here: types, and bytes of strings.
	Types, Strings uint32

	types   []byte
	strings []byte
	n       uint32
}

// A Field is a member of a structure, a parameter or an enumerator: the name and the numbers that follow it.
type Field struct {
	Name  string   // "" for none
	Words []uint32 // of a member type and offset in bits, of a parameter its type, of an enumerator its value
}

// append appends words in the byte order.
func (b *BTF) append(out []byte, words ...uint32) []byte {
	order := b.Order
	if order == nil {
		order = binary.LittleEndian
	}
	for _, w := range words {
		var four [4]byte
		order.PutUint32(four[:], w)
		out = append(out, four[:]...)
	}
	return out
}

// ends returns the first id and the first string that are free.
func (b *BTF) ends() (id, text uint32) {
	switch {
	case b.Types > 0:
		return 1 + b.Types, b.Strings
	case b.Base != nil:
		id, text = b.Base.ends()
	default:
		id = 1
		if len(b.strings) == 0 {
			b.strings = []byte{0}
		}
	}
	return id + b.n, text + uint32(len(b.strings))
}

// Text adds a string and returns its offset.
func (b *BTF) Text(s string) uint32 {
	_, at := b.ends()
	if s == "" {
		return 0
	}
	b.strings = append(append(b.strings, s...), 0)
	return at
}

// Add adds a type and returns its id. Info is the kind, shifted as the format has it, with the number of elements and
// flags; word is its size or what it refers to; rest is what follows.
func (b *BTF) Add(info uint32, name string, word uint32, rest ...uint32) uint32 {
	id, _ := b.ends()
	b.types = b.append(b.append(b.types, b.Text(name), info, word), rest...)
	b.n++
	return id
}

// List is Add for a type with elements.
func (b *BTF) List(kind uint32, name string, word uint32, fields ...Field) uint32 {
	var rest []uint32
	for _, f := range fields {
		rest = append(append(rest, b.Text(f.Name)), f.Words...)
	}
	return b.Add(kind<<24|uint32(len(fields)), name, word, rest...)
}

// Int adds a number.
func (b *BTF) Int(name string, size uint32) uint32 { return b.Add(1<<24, name, size, size*8) }

// Pointer adds a pointer.
func (b *BTF) Pointer(to uint32) uint32 { return b.Add(2<<24, "", to) }

// Array adds an array that is counted in the type index.
func (b *BTF) Array(of, index, n uint32) uint32 { return b.Add(3<<24, "", 0, of, index, n) }

// Struct adds a structure.
func (b *BTF) Struct(name string, size uint32, members ...Field) uint32 {
	return b.List(4, name, size, members...)
}

// Union adds a union.
func (b *BTF) Union(name string, size uint32, members ...Field) uint32 {
	return b.List(5, name, size, members...)
}

// Enum adds an enumeration of four bytes.
func (b *BTF) Enum(name string, values ...Field) uint32 { return b.List(6, name, 4, values...) }

// Typedef adds a typedef.
func (b *BTF) Typedef(name string, of uint32) uint32 { return b.Add(8<<24, name, of) }

// Func adds a function with its prototype.
func (b *BTF) Func(name string, returns uint32, params ...Field) uint32 {
	return b.Add(12<<24, name, b.List(13, "", returns, params...))
}

// At is a member, at an offset in bytes.
func At(name string, typ, offset uint32) Field { return Field{name, []uint32{typ, offset * 8}} }

// Of is a parameter, or the value of an enumeration.
func Of(name string, typ uint32) Field { return Field{name, []uint32{typ}} }

// Bytes returns the section.
func (b *BTF) Bytes() []byte {
	b.ends()
	out := []byte{0x9f, 0xeb, 1, 0}
	if b.Order == binary.ByteOrder(binary.BigEndian) {
		out = []byte{0xeb, 0x9f, 1, 0}
	}
	out = b.append(out, 24, 0, uint32(len(b.types)), uint32(len(b.types)), uint32(len(b.strings)))
	return append(append(out, b.types...), b.strings...)
}

// Package btf reads BTF, the types of a kernel and of its modules: which members a structure has and where, and what
// functions take and return.
//
// A kernel has it in the section .BTF of vmlinux and in /sys/kernel/btf/vmlinux. A module's .BTF is split: its type
// ids and string offsets go on where those of its base end, which is the BTF of the kernel it was built for, or the
// module's own section .BTF.base, which holds names and sizes alone.
//
// It is written for files that nobody vouches for. [Parse] checks every count, offset and id once, so that nothing
// that is read later can lie outside. What remains possible is a type that contains itself, or that is written as if
// it had 2^40 parts; functions that follow types have a limit of depth and of steps.
package btf

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// An ID is the number of a type in a file. 0 is void.
type ID uint32

// A Kind says what a type is.
type Kind uint8

// The kinds, with the format's own numbers.
const (
	Void Kind = iota
	Int
	Pointer
	Array
	Struct
	Union
	Enum
	Fwd
	Typedef
	Volatile
	Const
	Restrict
	Func
	FuncProto
	Var
	Datasec
	Float
	DeclTag
	TypeTag
	Enum64
	kinds
)

// String returns the word that C has for the kind, or the format's name.
func (k Kind) String() string {
	names := [...]string{"void", "int", "pointer", "array", "struct", "union", "enum", "fwd", "typedef",
		"volatile", "const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag",
		"type_tag", "enum"}
	if k < kinds {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A FormatError is a defect of BTF.
type FormatError struct {
	Off   int64  // offset in the data
	What  string // what is wrong there
	Newer bool   // a newer version of the format may have it, so that a kernel may read what is not read here
}

// Error returns the defect and its offset.
func (e *FormatError) Error() string { return fmt.Sprintf("%s at offset %#x of BTF", e.What, e.Off) }

func badf(off int, format string, args ...any) error {
	return &FormatError{Off: int64(off), What: fmt.Sprintf(format, args...)}
}

func newerf(off int, format string, args ...any) error {
	return &FormatError{Off: int64(off), What: fmt.Sprintf(format, args...), Newer: true}
}

// A File is BTF that was checked. Its methods only read, so that several goroutines may use it. It refers to the data
// it was made from, which must not change.
type File struct {
	base    *File  // nil unless split
	big     bool   // byte order
	pointer uint32 // bytes of a pointer, 0 if nothing tells

	data   []byte   // all of it
	starts []uint32 // offsets in data of the types, in order of their ids
	first  ID       // id of the first of them

	text     string // the strings
	textFrom uint32 // offset of the first of them
}

// Sizes and bounds of the format.
const (
	magic      = 0xeb9f
	headerSize = 24
	recordSize = 12      // what every type begins with
	maxTypes   = 1 << 20 // as many as kernels take
)

// Begins tells whether data begins as BTF does, in either byte order.
func Begins(data []byte) bool {
	return len(data) >= 3 && data[2] == 1 &&
		(binary.LittleEndian.Uint16(data) == magic || binary.BigEndian.Uint16(data) == magic)
}

// Parse reads BTF and checks all of it. The base is that of split BTF, else nil.
func Parse(data []byte, base *File) (*File, error) {
	f := &File{base: base, data: data, first: 1}
	if base != nil {
		if base.base != nil {
			return nil, badf(0, "the base is split itself")
		}
		f.first, f.textFrom = base.End(), base.Strings()
	}
	types, typesLen, err := f.header()
	if err != nil {
		return nil, err
	}
	if err := f.index(types, types+typesLen); err != nil {
		return nil, err
	}
	return f, nil
}

// header reads the header and the strings and returns where the types are.
func (f *File) header() (types, typesLen int, err error) {
	b := f.data
	if len(b) < headerSize {
		return 0, 0, badf(0, "%d bytes are no header", len(b))
	}
	switch {
	case binary.LittleEndian.Uint16(b) == magic:
	case binary.BigEndian.Uint16(b) == magic:
		f.big = true
	default:
		return 0, 0, badf(0, "no magic number")
	}
	if f.base != nil && f.base.big != f.big {
		return 0, 0, badf(0, "the base has another byte order")
	}
	if b[2] != 1 {
		return 0, 0, newerf(2, "version %d", b[2])
	}
	if b[3] != 0 {
		return 0, 0, newerf(3, "unknown flags %#x", b[3])
	}
	head := f.u32(4)
	if head < headerSize || uint64(head) > uint64(len(b)) {
		return 0, 0, badf(4, "header of %d bytes", head)
	}
	rest := uint64(len(b)) - uint64(head)
	for _, at := range [...]int{8, 16} {
		off, n := uint64(f.u32(at)), uint64(f.u32(at+4))
		if off > rest || n > rest-off {
			return 0, 0, badf(at, "%d bytes at %#x do not fit", n, off)
		}
	}
	if f.u32(8)%4 != 0 {
		return 0, 0, badf(8, "types are not aligned")
	}
	start := head + f.u32(16)
	text := b[start:][:f.u32(20)]
	if n := len(text); n > 0 && text[n-1] != 0 {
		return 0, 0, badf(int(start)+n-1, "strings do not end in a zero byte")
	}
	if f.base == nil && (len(text) == 0 || text[0] != 0) {
		return 0, 0, badf(int(start), "strings do not begin with an empty one")
	}
	if uint64(f.textFrom)+uint64(len(text)) > 1<<32-1 {
		return 0, 0, badf(20, "too many strings")
	}
	f.text = string(text)
	return int(head + f.u32(8)), int(f.u32(12)), nil
}

// Strings is the first offset of a string that the file has not: where those of split BTF begin.
func (f *File) Strings() uint32 { return f.textFrom + uint32(len(f.text)) }

// End is the first id that the file has not.
func (f *File) End() ID { return f.first + ID(len(f.starts)) }

// First is the first id of the file's own: 1, or for split BTF the first that its base has not.
func (f *File) First() ID { return f.first }

// Base is what split BTF goes on from, or nil.
func (f *File) Base() *File { return f.base }

// ByteOrder is that of the machine the types are for.
func (f *File) ByteOrder() binary.ByteOrder {
	if f.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (f *File) u32(at int) uint32 {
	v := binary.LittleEndian.Uint32(f.data[at:])
	if f.big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

// elementSize is the length of one element of the list that follows a type of that kind.
func elementSize(k Kind) int {
	switch k {
	case Struct, Union, Datasec, Enum64:
		return 12
	case Enum, FuncProto:
		return 8
	}
	return 0
}

// fixedSize is the length of what follows a type of that kind whatever it says.
func fixedSize(k Kind) int {
	switch k {
	case Int, Var, DeclTag:
		return 4
	case Array:
		return 12
	}
	return 0
}

// A limit notes the largest id and the largest offset of a string that the types name, and where.
type limit struct {
	id, name     uint32
	idAt, nameAt int
}

func (l *limit) ref(id uint32, at int) {
	if id > l.id {
		l.id, l.idAt = id, at
	}
}

func (l *limit) text(name uint32, at int) {
	if name > l.name {
		l.name, l.nameAt = name, at
	}
}

// index notes where each type is, and checks what they refer to: that the largest id and offset exist.
func (f *File) index(from, to int) error {
	f.starts = make([]uint32, 0, (to-from)/26) // real kernels have 25 to 27 bytes a type
	var l limit
	for at := from; at < to; {
		if to-at < recordSize {
			return badf(at, "the last type is cut off")
		}
		info := f.u32(at + 4)
		k, n := Kind(info>>24&0x1f), int(info&0xffff)
		if k == Void || k >= kinds {
			return newerf(at+4, "unknown kind %d", k)
		}
		if info&0x60ff0000 != 0 {
			return newerf(at+4, "unknown bits in %#x", info)
		}
		size := recordSize + fixedSize(k) + n*elementSize(k)
		if size > to-at {
			return badf(at, "%v with %d elements is cut off", k, n)
		}
		if len(f.starts) >= maxTypes || uint64(f.first)+uint64(len(f.starts)) > 2*maxTypes {
			return newerf(at, "too many types")
		}
		l.text(f.u32(at), at)
		f.refs(k, at, n, &l)
		f.starts = append(f.starts, uint32(at))
		at += size
	}
	if l.id >= uint32(f.End()) {
		return badf(l.idAt, "type %d of %d", l.id, f.End())
	}
	if end := f.Strings(); l.name >= end {
		return badf(l.nameAt, "string at %#x, behind the last", l.name)
	}
	f.pointer = f.pointerSize()
	return nil
}

// refs notes what the type at that offset refers to.
func (f *File) refs(k Kind, at, n int, l *limit) {
	switch k {
	case Pointer, Typedef, Volatile, Const, Restrict, Func, FuncProto, Var, DeclTag, TypeTag:
		l.ref(f.u32(at+8), at+8)
	}
	list := at + recordSize
	switch k {
	case Array:
		l.ref(f.u32(list), list)
		l.ref(f.u32(list+4), list+4)
	case Struct, Union:
		for ; n > 0; n-- {
			l.text(f.u32(list), list)
			l.ref(f.u32(list+4), list+4)
			list += 12
		}
	case FuncProto:
		for ; n > 0; n-- {
			l.text(f.u32(list), list)
			l.ref(f.u32(list+4), list+4)
			list += 8
		}
	case Datasec:
		for ; n > 0; n-- {
			l.ref(f.u32(list), list)
			list += 12
		}
	case Enum, Enum64:
		for ; n > 0; n-- {
			l.text(f.u32(list), list)
			list += elementSize(k)
		}
	}
}

// pointerSize is how wide long is, which is what a pointer is on Linux.
func (f *File) pointerSize() uint32 {
	if f.base != nil && f.base.pointer != 0 {
		return f.base.pointer
	}
	for i := range f.starts {
		if t := f.at(f.first + ID(i)); t.Kind == Int && (t.Size == 4 || t.Size == 8) {
			if n := t.Name(); n == "long unsigned int" || n == "unsigned long" || n == "long int" ||
				n == "long" {
				return t.Size
			}
		}
	}
	return 0
}

// PointerSize is how many bytes a pointer has; 8 if the types do not tell.
func (f *File) PointerSize() uint32 {
	if f.pointer == 0 {
		return 8
	}
	return f.pointer
}

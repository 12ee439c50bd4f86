package btf

import (
	"errors"
	"fmt"
)

// A Validity says whether a kernel takes a module's BTF.
type Validity int

// The three answers.
const (
	NotKnown Validity = iota // the rules that are known here do not decide it
	Valid                    // the kernel takes it
	// Invalid: it does not, with EINVAL, and the module is not loaded unless CONFIG_MODULE_ALLOW_BTF_MISMATCH is
	// set.
	Invalid
)

// Validate tells whether a kernel takes the section .BTF of a module, and why not. Kernels look at each of the
// module's types alone when they load it: its form, its names, and what can be said of the places of members without
// following what they refer to. They do not see whether ids lead anywhere. If the module was built for another
// kernel, its names mean other strings there, which mostly are no names.
//
// The distilled base is the module's section .BTF.base, nil if it has none. The rules are those of 7.2, found by
// trying.
func Validate(module, distilled []byte, kernel *File) (Validity, error) {
	base := kernel
	if distilled != nil {
		f, err := Parse(distilled, nil)
		if err != nil {
			return NotKnown, err
		}
		base = f
	}
	v := validator{f: &File{base: base, big: base.big, data: module, first: base.End(), textFrom: base.Strings()}}
	v.file()
	switch {
	case v.err != nil:
		return Invalid, v.err
	case v.unsure != nil:
		return NotKnown, v.unsure
	case distilled != nil:
		return v.relocates(base, kernel)
	}
	return Valid, nil
}

// A validator looks for the first defect of a module's types.
type validator struct {
	f      *File
	err    error // what the kernel refuses
	unsure error // what it may refuse
}

func (v *validator) badf(t Type, format string, args ...any) {
	if v.err == nil {
		v.err = badf(t.at, "type %d, %v: %s", t.ID, t.Kind, fmt.Sprintf(format, args...))
	}
}

// file checks the header and the types one after the other.
func (v *validator) file() {
	f := v.f
	big := f.big
	if len(f.data) >= headerSize && f.u32(4) != headerSize {
		// 7.2 says E2BIG if there is something in it that it does not know.
		v.unsure = badf(4, "header of %d bytes", f.u32(4))
		return
	}
	at, n, err := f.header()
	var bad *FormatError
	switch {
	case errors.As(err, &bad) && bad.Newer:
		v.unsure = err
		return
	case err != nil:
		v.err = err
		return
	case f.big != big:
		v.err = badf(0, "another byte order than the kernel's")
		return
	}
	if f.u32(8) != 0 || f.u32(16) != f.u32(12) || headerSize+n+len(f.text) != len(f.data) {
		v.err = badf(8, "sections do not follow each other")
		return
	}
	for end := at + n; at < end && v.err == nil; {
		at += v.next(at, end)
	}
}

// next checks the type at an offset and returns its length.
func (v *validator) next(at, end int) int {
	f := v.f
	if end-at < recordSize {
		v.err = badf(at, "the last type is cut off")
		return 0
	}
	info := f.u32(at + 4)
	k := Kind(info >> 24 & 0x1f)
	switch {
	case k == Void:
		v.err = badf(at+4, "unknown kind 0")
		return 0
	case k >= kinds, info&0x60ff0000 != 0: // newer kernels may know it
		v.unsure = badf(at+4, "unknown kind %d, or unknown bits in %#x", k, info)
		return end - at
	}
	size := recordSize + fixedSize(k) + int(info&0xffff)*elementSize(k)
	if size > end-at {
		v.err = badf(at, "%v is cut off", k)
		return 0
	}
	f.starts = append(f.starts, uint32(at))
	v.typ(f.at(f.End() - 1))
	return size
}

// name returns the string at an offset; not ok if there is none.
func (v *validator) name(off uint32) (name string, ok bool) {
	if off >= v.f.Strings() {
		return "", false
	}
	return v.f.string(off), true
}

// identifier tells whether a name is one in C.
func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// typ checks one type.
func (v *validator) typ(t Type) {
	name, ok := v.name(v.f.u32(t.at))
	if !ok {
		v.badf(t, "its name is behind the last string")
		return
	}
	anonymous := v.f.u32(t.at) == 0
	switch t.Kind {
	case Struct, Union, Enum, Enum64:
		if !anonymous && !identifier(name) {
			v.badf(t, "%q is no name", name)
		}
	case Fwd, Typedef, Func:
		if !identifier(name) {
			v.badf(t, "%q is no name", name)
		}
	case Pointer, Array, Const, Volatile, Restrict, FuncProto:
		if !anonymous {
			v.badf(t, "it has a name")
		}
	case TypeTag, DeclTag, Var, Datasec:
		if name == "" {
			v.badf(t, "it has no name")
		}
	}
	v.form(t)
	v.content(t)
}

// form checks the flag and the number of elements.
func (v *validator) form(t Type) {
	switch t.Kind {
	case Struct, Union, Enum, Enum64, Fwd:
	case TypeTag, DeclTag:
		if t.Flag && v.unsure == nil {
			v.unsure = badf(t.at, "an attribute, which older kernels do not know")
		}
	default:
		if t.Flag {
			v.badf(t, "kind_flag is set")
		}
	}
	switch t.Kind {
	case Struct, Union, Enum, Enum64, FuncProto, Datasec:
	case Func:
		if t.Len > 1 {
			v.badf(t, "linkage %d", t.Len)
		}
	default:
		if t.Len != 0 {
			v.badf(t, "it has %d elements", t.Len)
		}
	}
}

// maxID is the largest id that kernels take, whether there is such a type or not.
const maxID = 1<<20 - 1

// content checks what a type consists of.
func (v *validator) content(t Type) {
	switch t.Kind {
	case Int:
		encoding, off, bits := t.Encoding()
		all := uint32(off) + uint32(bits)
		if all > 128 || (all+7)/8 > t.Size || v.f.u32(t.at+recordSize)&0xf000ff00 != 0 {
			v.badf(t, "its bits do not fit")
		}
		if encoding&(encoding-1) != 0 {
			v.unsure = badf(t.at, "type %d, int: unknown encoding %d", t.ID, encoding) // 7.2 says ENOTSUPP
		}
	case Float:
		if s := t.Size; s != 2 && s != 4 && s != 8 && s != 12 && s != 16 {
			v.badf(t, "%d bytes", s)
		}
	case Pointer, Typedef, Const, Volatile, Restrict, TypeTag:
		if t.Ref > maxID {
			v.badf(t, "it is of type %d", t.Ref)
		}
	case Fwd:
		if v.f.u32(t.at+8) != 0 {
			v.badf(t, "it has a size")
		}
	case Array:
		elem, _, index := t.Array()
		if v.f.u32(t.at+8) != 0 || !contained(elem) || !contained(index) {
			v.badf(t, "its elements are of type %d, counted in %d", elem, index)
		}
	case Var:
		if !contained(t.Ref) || t.Linkage() > 1 {
			v.badf(t, "it is of type %d, linkage %d", t.Ref, t.Linkage())
		}
	case DeclTag:
		if t.Component() < -1 {
			v.badf(t, "it is about part %d", t.Component())
		}
	case Struct, Union:
		v.members(t)
	case Enum, Enum64:
		v.enum(t)
	case Datasec:
		v.places(t)
	}
}

// contained tells whether an id can be that of a part: void cannot.
func contained(id ID) bool { return id != 0 && id <= maxID }

func (v *validator) enum(t Type) {
	if s := t.Size; s == 0 || s > 8 || s&(s-1) != 0 {
		v.badf(t, "%d bytes", s)
	}
	for i := range t.Len {
		if name, _ := v.name(v.f.u32(t.list(i))); !identifier(name) {
			v.badf(t, "the name of value %d is none", i)
		}
	}
}

// members checks that members begin in their structure, in order.
func (v *validator) members(t Type) {
	var last uint32
	for i := range t.Len {
		at := t.list(i)
		off := v.f.u32(at + 8)
		if t.Flag {
			off &= 0xffffff
		}
		name, ok := v.name(v.f.u32(at))
		switch {
		case !ok || v.f.u32(at) != 0 && !identifier(name):
			v.badf(t, "the name of member %d is none", i)
		case !contained(ID(v.f.u32(at + 4))):
			v.badf(t, "member %d is of type %d", i, v.f.u32(at+4))
		case t.Kind == Union && off != 0, off < last:
			v.badf(t, "member %d is at %#x, before the last", i, off)
		case (uint64(off)+7)/8 > uint64(t.Size):
			v.badf(t, "member %d is behind the %d bytes", i, t.Size)
		}
		last = off
	}
}

// places checks that the variables of a section lie in it, in order.
func (v *validator) places(t Type) {
	var end, sum uint64
	for i := range t.Len {
		p := t.Place(i)
		start := uint64(p.Offset)
		if !contained(p.Type) || start < end || p.Size == 0 || start+uint64(p.Size) > uint64(t.Size) {
			v.badf(t, "variable %d is not in it", i)
		}
		end = start + uint64(p.Size)
		sum += uint64(p.Size)
	}
	if t.Size == 0 || sum > uint64(t.Size) {
		v.badf(t, "it has no size, or a smaller one than its variables")
	}
}

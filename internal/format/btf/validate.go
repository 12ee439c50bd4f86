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
	Invalid                  // it does not: EINVAL, and the module is not loaded unless CONFIG_MODULE_ALLOW_BTF_MISMATCH is set
)

// Validate tells whether a kernel takes the section .BTF of a module, and why not. It checks what the kernel does when it loads the
// module: the module's own types, with the kernel's where they refer to those. If the module was built for another kernel, its ids mean
// other types there, which mostly shows: a structure has no room for what it embeds, or a name is none.
//
// The distilled base is the module's section .BTF.base, nil if it has none.
func Validate(module, distilled []byte, kernel *File) (Validity, error) {
	base := kernel
	if distilled != nil {
		var err error
		if base, err = Parse(distilled, nil); err != nil {
			return parsed(err)
		}
	}
	f, err := Parse(module, base)
	if err != nil {
		return parsed(err)
	}
	v := validator{f: f}
	if v.sections(); v.err == nil {
		for t := range f.Types() {
			if v.typ(t); v.err != nil {
				break
			}
		}
	}
	if v.err == nil {
		v.loops()
	}
	switch {
	case v.err != nil:
		return Invalid, v.err
	case v.unsure != nil:
		return NotKnown, v.unsure
	case distilled != nil:
		return relocates(base, kernel)
	}
	return Valid, nil
}

// parsed is the answer to BTF that cannot be read here.
func parsed(err error) (Validity, error) {
	var bad *FormatError
	if errors.As(err, &bad) && bad.Newer {
		return NotKnown, err
	}
	return Invalid, err
}

// A validator looks for the first defect of a module's types.
type validator struct {
	f      *File
	err    error // what the kernel refuses
	unsure error // what it may refuse
}

func (v *validator) badf(t Type, format string, args ...any) {
	if v.err == nil {
		v.err = badf(t.at, "type %d, %v %q: %s", t.ID, t.Kind, t.Name(), fmt.Sprintf(format, args...))
	}
}

// sections checks that types and strings follow the header and each other, with nothing between and behind.
func (v *validator) sections() {
	f := v.f
	if head := f.u32(4); head != headerSize {
		v.unsure = badf(4, "header of %d bytes", head)
		return
	}
	types, n, text, m := f.u32(8), f.u32(12), f.u32(16), f.u32(20)
	if types != 0 || text != n || int(headerSize+text+m) != len(f.data) {
		v.err = badf(8, "sections do not follow each other")
	}
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

// typ checks one type for itself and what it refers to.
func (v *validator) typ(t Type) {
	name := t.Name()
	switch t.Kind {
	case Struct, Union, Enum, Enum64:
		if name != "" && !identifier(name) {
			v.badf(t, "the name is none")
		}
	case Fwd, Typedef, Func:
		if !identifier(name) {
			v.badf(t, "the name is none")
		}
	case Pointer, Array, Const, Volatile, Restrict, FuncProto:
		if name != "" {
			v.badf(t, "it has a name")
		}
	case TypeTag, DeclTag:
		if name == "" {
			v.badf(t, "it has no name")
		}
	}
	switch t.Kind {
	case Struct, Union, Enum, Enum64, Fwd:
	case TypeTag, DeclTag:
		if t.Flag {
			v.unsure = badf(t.at, "an attribute, which older kernels do not know")
		}
	default:
		if t.Flag {
			v.badf(t, "kind_flag is set")
		}
	}
	switch t.Kind {
	case Struct, Union, Enum, Enum64, FuncProto, Datasec, Func:
	default:
		if t.Len != 0 {
			v.badf(t, "it has %d elements", t.Len)
		}
	}
	v.content(t)
}

// content checks what a type consists of.
func (v *validator) content(t Type) {
	switch t.Kind {
	case Int:
		encoding, off, bits := t.Encoding()
		if uint32(off)+uint32(bits) > t.Size*8 || bits > 128 || encoding&(encoding-1) != 0 {
			v.badf(t, "its bits do not fit")
		}
	case Float:
		if s := t.Size; s != 2 && s != 4 && s != 8 && s != 12 && s != 16 {
			v.badf(t, "%d bytes", s)
		}
	case Enum, Enum64:
		v.enum(t)
	case Array:
		elem, n, index := t.Array()
		if size, ok := v.f.Size(elem); !ok || n != 0 && size*uint64(n) > 1<<32-1 {
			v.badf(t, "its elements have no size")
		}
		if v.f.Resolve(index).Kind != Int {
			v.badf(t, "its index is no number")
		}
	case Struct, Union:
		v.members(t)
	case FuncProto:
		v.params(t)
	case Func:
		v.function(t)
	case Var:
		if _, ok := v.f.Size(t.Ref); !ok || t.Linkage() > 1 {
			v.badf(t, "it has no size, or is defined elsewhere")
		}
	case Datasec:
		v.places(t)
	case DeclTag:
		v.tag(t)
	}
}

func (v *validator) enum(t Type) {
	if s := t.Size; s == 0 || s > 8 || s&(s-1) != 0 {
		v.badf(t, "%d bytes", s)
	}
	for i := range t.Len {
		if !identifier(t.Enumerator(i).Name) {
			v.badf(t, "the name of value %d is none", i)
		}
	}
}

// members checks that members lie in their structure, in order.
func (v *validator) members(t Type) {
	var last uint32
	for i := range t.Len {
		m := t.Member(i)
		to := v.f.Resolve(m.Type)
		size, ok := v.f.Size(m.Type)
		bits := size * 8
		switch {
		case m.Name != "" && !identifier(m.Name):
			v.badf(t, "the name of member %d is none", i)
		case !ok:
			v.badf(t, "member %d has no size", i)
		case t.Kind == Union && m.Offset != 0, m.Offset < last:
			v.badf(t, "member %d is at %#x, before the last", i, m.Offset)
		case m.Bits != 0 && to.Kind != Int && to.Kind != Enum && to.Kind != Enum64:
			v.badf(t, "member %d, %v, is a bit field", i, to.Kind)
		case m.Bits != 0 && uint64(m.Bits) > bits:
			v.badf(t, "member %d has more bits than its type", i)
		case m.Bits == 0 && m.Offset%8 != 0 && (to.Kind != Int || t.Flag):
			v.badf(t, "member %d, %v, is not at a byte", i, to.Kind)
		case to.Kind == Float && uint64(m.Offset/8)%min(size, uint64(v.f.PointerSize())) != 0:
			v.badf(t, "member %d is not aligned", i)
		}
		if m.Bits != 0 {
			bits = uint64(m.Bits)
		} else if to.Kind == Int {
			_, off, n := to.Encoding()
			bits = uint64(off) + uint64(n)
		}
		if uint64(m.Offset)+bits > uint64(t.Size)*8 {
			v.badf(t, "member %d does not fit in %d bytes", i, t.Size)
		}
		last = m.Offset
	}
}

// params checks a prototype: what it takes and returns has a size, or is void.
func (v *validator) params(t Type) {
	if _, ok := v.f.Size(t.Ref); !ok && t.Ref != 0 {
		v.badf(t, "what it returns has no size")
	}
	for i := range t.Len {
		p := t.Param(i)
		if p.Type == 0 && p.Name == "" && i == t.Len-1 {
			return
		}
		if _, ok := v.f.Size(p.Type); !ok {
			v.badf(t, "parameter %d has no size", i)
		}
		if p.Name != "" && !identifier(p.Name) {
			v.badf(t, "the name of parameter %d is none", i)
		}
	}
}

func (v *validator) function(t Type) {
	proto := v.f.Type(t.Ref)
	if proto.Kind != FuncProto || t.Len > 2 {
		v.badf(t, "it is of no prototype")
		return
	}
	for i := range proto.Len {
		if p := proto.Param(i); p.Type != 0 && p.Name == "" {
			v.badf(t, "parameter %d has no name", i)
		}
	}
}

// places checks that the variables of a section lie in it, in order.
func (v *validator) places(t Type) {
	var end uint64
	for i := range t.Len {
		p := t.Place(i)
		if k := v.f.Type(p.Type).Kind; k == Func {
			continue
		} else if k != Var {
			v.badf(t, "%v in place of variable %d", k, i)
		}
		if uint64(p.Offset) < end || uint64(p.Offset)+uint64(p.Size) > uint64(t.Size) || p.Size == 0 {
			v.badf(t, "variable %d is not in it", i)
		}
		if size, _ := v.f.Size(p.Type); size > uint64(p.Size) {
			v.badf(t, "variable %d has %d bytes in place of %d", i, size, p.Size)
		}
		end = uint64(p.Offset) + uint64(p.Size)
	}
	if t.Size == 0 || t.Name() == "" {
		v.badf(t, "it has no name, or no size")
	}
}

// tag checks that there is what a tag is about.
func (v *validator) tag(t Type) {
	about, n := v.f.Type(t.Ref), 0
	switch about.Kind {
	case Struct, Union:
		n = about.Len
	case Func:
		n = v.f.Type(about.Ref).Len
	case Var, Typedef:
	default:
		v.badf(t, "it is about %v", about.Kind)
	}
	if c := t.Component(); c < -1 || int64(c) >= int64(n) && c != -1 {
		v.badf(t, "it is about part %d of %d", c, n)
	}
}

// loops looks for types that contain themselves.
func (v *validator) loops() {
	f := v.f
	const open, closed = 1, 2
	state := make([]uint8, len(f.starts))
	type frame struct {
		t    Type
		next int // its next part
	}
	var stack []frame
	for first := range f.Types() {
		if state[first.ID-f.first] == 0 {
			stack = append(stack, frame{t: first})
			state[first.ID-f.first] = open
		}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			id, ok := part(top.t, top.next)
			top.next++
			switch {
			case !ok:
				state[top.t.ID-f.first] = closed
				stack = stack[:len(stack)-1]
			case id < f.first || state[id-f.first] == closed:
			case state[id-f.first] == open:
				v.badf(top.t, "it contains itself")
				return
			default:
				state[id-f.first] = open
				stack = append(stack, frame{t: f.at(id)})
			}
		}
	}
}

// part returns what a type contains, by index.
func part(t Type, i int) (ID, bool) {
	switch t.Kind {
	case Struct, Union:
		if i < t.Len {
			return t.Member(i).Type, true
		}
	case Array:
		if i == 0 {
			elem, _, _ := t.Array()
			return elem, true
		}
	case Typedef, Const, Volatile, Restrict, TypeTag, Var:
		if i == 0 {
			return t.Ref, true
		}
	}
	return 0, false
}

// relocates tells whether the kernel has each type that a distilled base names.
func relocates(distilled, kernel *File) (Validity, error) {
	wanted := map[string]bool{}
	for t := range distilled.Types() {
		wanted[t.Name()] = true
	}
	found := map[string]int{}
	for t := range kernel.Types() {
		if name := t.Name(); wanted[name] {
			found[distilledKey(t, name)]++
			if t.Kind == Struct || t.Kind == Union {
				found[declared(t.Kind == Union, name)]++
			}
		}
	}
	for t := range distilled.Types() {
		switch t.Kind {
		case Int, Float, Struct, Union, Enum, Enum64, Fwd:
			if name := t.Name(); found[distilledKey(t, name)] != 1 {
				return NotKnown, badf(t.at, "%d types of the kernel are %s of %d bytes", found[distilledKey(t, name)], t.Specifier(), t.Size)
			}
		default:
			return NotKnown, badf(t.at, "%v in the distilled base", t.Kind)
		}
	}
	return Valid, nil
}

// distilledKey is what types of two files must have in common.
func distilledKey(t Type, name string) string {
	if t.Kind == Fwd {
		return declared(t.Flag, name)
	}
	return fmt.Sprint(t.Kind, " ", t.Size, " ", name)
}

func declared(union bool, name string) string {
	if union {
		return "declared union " + name
	}
	return "declared struct " + name
}

package types

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// Debug is the types in a module's debugging information, DWARF: of its own structures, functions and variables, and
// of all that they refer to. It stands in for BTF where a module was built without.
type Debug struct {
	list []entry // in the order of their offsets
}

// An entry is one of the information, of those that types consist of.
type entry struct {
	off      dwarf.Offset
	tag      dwarf.Tag
	name     string
	size     int64
	ref      dwarf.Offset // the type it has, points to or returns; 0 is void
	origin   dwarf.Offset // of a function that was inlined too: what it was declared as
	parts    []int32      // members or parameters
	outside  bool         // it is only declared
	code     bool         // there is code of this function
	toplevel bool
}

// maxEntries is how many entries are read, and maxKept how many are kept. A large driver has a million, most of them of
// no interest.
const (
	maxEntries = 1 << 22
	maxKept    = 1 << 20
)

var errDebug = errors.New("the debugging information is too much, or of a kind that is not read")

// ReadDebug reads DWARF. The sections must have their relocations done; those that are not there are nil.
func ReadDebug(section func(name string) []byte) (*Debug, error) {
	info := section(".debug_info")
	data, err := dwarf.New(section(".debug_abbrev"), nil, nil, info, nil, nil, nil, section(".debug_str"))
	if err != nil {
		return nil, fmt.Errorf("debugging information: %w", err)
	}
	for _, name := range []string{".debug_line_str", ".debug_str_offsets", ".debug_addr"} {
		if err := data.AddSection(name, section(name)); err != nil {
			return nil, fmt.Errorf("debugging information: %w", err)
		}
	}
	d := new(Debug)
	// The reader's own way to skip what is inside an entry calls itself, and follows offsets back: it is not used.
	var open []int32 // the entries around the next one; -1: one of no interest
	r := data.Reader()
	for range min(maxEntries, len(info)) { // each has a byte; damage may keep the reader at one place
		e, err := r.Next()
		switch {
		case err != nil:
			return nil, fmt.Errorf("debugging information: %w", err)
		case e == nil && len(d.list) == 0:
			return nil, errDebug
		case e == nil:
			return d, nil
		case e.Tag == 0:
			open = open[:max(0, len(open)-1)]
			continue
		case e.Tag == dwarf.TagCompileUnit || e.Tag == dwarf.TagPartialUnit:
			open = open[:0]
		}
		n, err := d.add(e, open)
		if err != nil {
			return nil, err
		}
		if e.Children {
			open = append(open, n)
		}
	}
	return nil, errDebug
}

// add enters an entry if it is of interest, and returns its number or -1.
func (d *Debug) add(e *dwarf.Entry, open []int32) (int32, error) {
	around := int32(-1)
	if len(open) > 0 {
		around = open[len(open)-1]
	}
	switch e.Tag {
	case dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagEnumerationType, dwarf.TagTypedef, dwarf.TagPointerType,
		dwarf.TagArrayType, dwarf.TagConstType, dwarf.TagVolatileType, dwarf.TagRestrictType, dwarf.TagSubroutineType,
		dwarf.TagSubprogram, dwarf.TagAtomicType:
	case dwarf.TagVariable:
		if len(open) != 1 {
			return -1, nil
		}
	case dwarf.TagMember, dwarf.TagFormalParameter:
		if around < 0 {
			return -1, nil
		}
	case dwarf.TagTypeUnit:
		return -1, errDebug
	default:
		return -1, nil
	}
	if len(d.list) == maxKept || len(d.list) > 0 && e.Offset <= d.list[len(d.list)-1].off {
		return -1, errDebug
	}
	in := entry{off: e.Offset, tag: e.Tag, toplevel: len(open) == 1}
	in.name, _ = e.Val(dwarf.AttrName).(string)
	in.size, _ = e.Val(dwarf.AttrByteSize).(int64)
	in.outside, _ = e.Val(dwarf.AttrDeclaration).(bool)
	in.code = e.Val(dwarf.AttrLowpc) != nil || e.Val(dwarf.AttrRanges) != nil
	in.origin, _ = e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	if v := e.Val(dwarf.AttrType); v != nil {
		ref, ok := v.(dwarf.Offset)
		if !ok {
			return -1, errDebug
		}
		in.ref = ref
	}
	n := int32(len(d.list))
	d.list = append(d.list, in)
	if around >= 0 && (e.Tag == dwarf.TagMember || e.Tag == dwarf.TagFormalParameter) {
		d.list[around].parts = append(d.list[around].parts, n)
	}
	return n, nil
}

// find returns the number of the entry at an offset, if it was kept.
func (d *Debug) find(off dwarf.Offset) (int32, bool) {
	i, ok := slices.BinarySearchFunc(d.list, off, func(e entry, off dwarf.Offset) int { return cmp.Compare(e.off, off) })
	return int32(i), ok
}

// debugUses is uses for DWARF.
type debugUses struct {
	uses
	d     *Debug
	known map[*entry][]btf.ID // which types of kernel a an entry may be
}

// maxDebugSteps is how often a type is looked at to tell what a module names.
const maxDebugSteps = 1 << 20

// usesOfDebug is usesOf for a module that has DWARF.
func (c *Comparison) usesOfDebug(d *Debug) (ids []btf.ID, found map[btf.ID]use, all bool) {
	u := debugUses{uses{c: c, found: map[btf.ID]use{}, left: maxDebugSteps}, d, map[*entry][]btf.ID{}}
	for i := range d.list {
		e := &d.list[i]
		switch {
		case !e.toplevel || e.outside:
		case e.tag == dwarf.TagSubprogram && e.code:
			if n, ok := d.find(e.origin); ok && e.origin != 0 {
				e = &d.list[n]
			}
			u.rank, u.where = takes, e.name+"()"
			u.function(e, false, 0)
		case e.tag == dwarf.TagVariable:
			u.rank, u.where = embeds, e.name
			u.visit(e.ref, false, 0)
		case (e.tag == dwarf.TagStructType || e.tag == dwarf.TagUnionType) && e.name != "" && len(u.kernels(e)) == 0:
			u.members(e, map[bool]string{true: "struct ", false: "union "}[e.tag == dwarf.TagStructType]+e.name, false, 0)
		}
	}
	return slices.Sorted(maps.Keys(u.found)), u.found, u.left > 0
}

func (u *debugUses) function(e *entry, pointed bool, depth int) {
	for _, n := range e.parts {
		u.visit(u.d.list[n].ref, pointed, depth+1)
	}
	u.visit(e.ref, pointed, depth+1)
}

func (u *debugUses) members(e *entry, where string, pointed bool, depth int) {
	for _, n := range e.parts {
		m := &u.d.list[n]
		u.rank, u.where = embeds, strings.TrimSuffix(where+"."+m.name, ".")
		u.visit(m.ref, pointed, depth+1)
	}
}

// visit follows a type to what has a name and belongs to the kernel.
func (u *debugUses) visit(ref dwarf.Offset, pointed bool, depth int) {
	for ; ref != 0; depth++ {
		n, ok := u.d.find(ref)
		if u.left--; u.left <= 0 || depth > maxDepth {
			u.left = min(u.left, 0)
			return
		}
		if !ok {
			return // a number
		}
		e := &u.d.list[n]
		switch e.tag {
		case dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagEnumerationType:
			if e.name == "" {
				u.members(e, u.where, pointed, depth)
			} else {
				u.noteAll(e, pointed)
			}
			return
		case dwarf.TagSubroutineType:
			u.function(e, pointed, depth)
			return
		case dwarf.TagTypedef:
			u.noteAll(e, pointed)
		case dwarf.TagPointerType:
			pointed = true
		}
		ref = e.ref
	}
}

func (u *debugUses) noteAll(e *entry, pointed bool) {
	for _, id := range u.kernels(e) {
		u.note(id, pointed)
	}
}

// kernels returns the types of kernel a that an entry may be: of its name, kind and size.
func (u *debugUses) kernels(e *entry) []btf.ID {
	ids, ok := u.known[e]
	if ok {
		return ids
	}
	kind := btf.Enum
	switch e.tag {
	case dwarf.TagStructType:
		kind = btf.Struct
	case dwarf.TagUnionType:
		kind = btf.Union
	case dwarf.TagTypedef:
		kind = btf.Typedef
	}
	for _, id := range u.c.namedA.lookup(u.c.a.Types, e.name) {
		to := u.c.a.Types.Type(id)
		if kindOf(to) == kind && (e.outside || kind == btf.Typedef || int64(to.Size) == e.size) {
			ids = append(ids, id)
		}
	}
	u.known[e] = ids
	return ids
}

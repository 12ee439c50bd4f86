package types

import (
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// A use is what a module does with a type of the kernel, as far as its own types and functions tell. What is in a
// function's body they do not tell.
type use struct {
	rank int // the worse, the smaller
	text string
}

// The ways to use a type, in the order in which they are told.
const (
	embeds = iota
	takes
	follows
)

// uses collects what a module names of its base.
type uses struct {
	c     *Comparison
	f     *btf.File
	found map[btf.ID]use // by the id in the base
	where string
	rank  int
	left  int // steps it may still make
}

// usesOf returns the types of kernel a that a module names, in the order of their ids. The module's types are split
// over those of kernel a, or over a distilled base of its own. They are not all if the module's types are too many.
func (c *Comparison) usesOf(module *btf.File) (ids []btf.ID, found map[btf.ID]use, all bool) {
	u := uses{c: c, f: module, found: map[btf.ID]use{}, left: maxSteps}
	for t := range module.Types() {
		name := t.Name()
		switch {
		case t.Kind == btf.Func:
			u.in(takes, name+"()", t.Ref, false)
		case t.Kind == btf.Var:
			u.in(embeds, name, t.Ref, false)
		case t.Kind == btf.Typedef:
			u.in(embeds, name, t.Ref, false)
		case (t.Kind == btf.Struct || t.Kind == btf.Union) && name != "":
			u.members(t, t.Specifier(), false, 0)
			u.copied(t, name)
		}
	}
	if module.Base() != c.a.Types {
		u.translate()
	}
	for id := range u.found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, u.found, u.left > 0
}

// in collects what a type consists of that is used somewhere.
func (u *uses) in(rank int, where string, id btf.ID, pointed bool) {
	u.rank, u.where = rank, where
	u.visit(id, pointed, 0)
}

func (u *uses) members(t btf.Type, where string, pointed bool, depth int) {
	for i := range t.Len {
		m := t.Member(i)
		u.rank, u.where = embeds, strings.TrimSuffix(where+"."+m.Name, ".")
		u.visit(m.Type, pointed, depth)
	}
}

// visit follows a type to what has a name and belongs to the kernel.
func (u *uses) visit(id btf.ID, pointed bool, depth int) {
	for ; ; depth++ {
		if u.left--; u.left <= 0 || depth > maxDepth {
			u.left = min(u.left, 0)
			return
		}
		t := u.f.Type(id)
		own := t.ID >= u.f.First()
		switch t.Kind {
		case btf.Struct, btf.Union:
			if !t.Named() {
				u.members(t, u.where, pointed, depth+1)
			} else if !own {
				u.note(t.ID, pointed)
			}
			return
		case btf.Enum, btf.Enum64:
			if !own && t.Named() {
				u.note(t.ID, pointed)
			}
			return
		case btf.FuncProto:
			for i := range t.Len {
				u.visit(t.Param(i).Type, pointed, depth+1)
			}
			id = t.Ref
		case btf.Array:
			id, _, _ = t.Array()
		case btf.Pointer:
			pointed = true
			id = t.Ref
		case btf.Typedef:
			if !own {
				u.note(t.ID, pointed)
			}
			id = t.Ref
		case btf.Const, btf.Volatile, btf.Restrict, btf.TypeTag:
			id = t.Ref
		default:
			return
		}
	}
}

// note enters a use, unless a worse one of that type is known.
func (u *uses) note(id btf.ID, pointed bool) {
	rank, text := u.rank, ""
	switch {
	case rank == takes:
		text = "takes it in " + u.where
	case pointed:
		rank, text = follows, "follows a pointer to it in "+u.where
	default:
		text = "embeds it in " + u.where
	}
	if old, ok := u.found[id]; !ok || rank < old.rank {
		u.found[id] = use{rank, text}
	}
}

// copied enters the kernel's structure of which a module has a copy among its own types: tools that make BTF do not
// find all that are the same.
func (u *uses) copied(t btf.Type, name string) {
	kernel := u.c.a.Types
	for _, id := range u.c.namedA.lookup(kernel, name) {
		to := kernel.Type(id)
		if to.Kind == t.Kind && to.Size == t.Size && sameNames(t, to) {
			u.found[id] = use{embeds, "has a copy of it"}
		}
	}
}

func sameNames(a, b btf.Type) bool {
	if a.Len != b.Len {
		return false
	}
	for i := range a.Len {
		if ma, mb := a.Member(i), b.Member(i); ma.Name != mb.Name || ma.Offset != mb.Offset {
			return false
		}
	}
	return true
}

// translate replaces the ids of a distilled base by those of kernel a.
func (u *uses) translate() {
	kernel := u.c.a.Types
	found := map[btf.ID]use{}
	for id, use := range u.found {
		t := u.f.Type(id)
		if id >= u.f.First() {
			found[id] = use
			continue
		}
		for _, k := range u.c.namedA.lookup(kernel, t.Name()) {
			to := kernel.Type(k)
			if kindOf(to) == kindOf(t) && (t.Kind == btf.Fwd || t.Kind == btf.Typedef || to.Size == t.Size) {
				found[k] = use
			}
		}
	}
	u.found = found
}

// An index finds structures, unions, enumerations and typedefs by their name.
type index struct {
	first map[string]btf.ID
	next  map[btf.ID]btf.ID // another one of that name
}

// maxSame is how many types of one name are looked at. Kernels have some tens of a few names.
const maxSame = 64

// lookup returns the types of a name.
func (x *index) lookup(f *btf.File, name string) []btf.ID {
	if x.first == nil {
		x.first, x.next = make(map[string]btf.ID, 1<<14), map[btf.ID]btf.ID{}
		last := map[string]btf.ID{}
		for t := range f.OfKind(btf.Struct, btf.Union, btf.Enum, btf.Enum64, btf.Typedef) {
			name := t.Name()
			if first, ok := x.first[name]; !ok {
				x.first[name] = t.ID
			} else {
				if before, ok := last[name]; ok {
					first = before
				}
				x.next[first], last[name] = t.ID, t.ID
			}
		}
	}
	var found []btf.ID
	for id := x.first[name]; id != 0 && name != "" && len(found) < maxSame; id = x.next[id] {
		found = append(found, id)
	}
	return found
}

// partner returns the pair of a type of kernel a: the one that was met, or else the type of that name in kernel b
// that is the same, or has most members in common; -1 if b has none.
func (c *Comparison) partner(id btf.ID) int32 {
	if n, ok := c.first[id]; ok {
		return n
	}
	t := c.a.Types.Type(id)
	best, most := int32(-1), -1
	for _, b := range c.namedB.lookup(c.b.Types, t.Name()) {
		to := c.b.Types.Type(b)
		if kindOf(to) != kindOf(t) {
			continue
		}
		n := c.node(0, id, b)
		if c.compared(n); c.nodes[n].change == Same {
			best = n
			break
		}
		if shared := shared(t, to); shared > most {
			best, most = n, shared
		}
	}
	if best >= 0 {
		c.first[id] = best
	}
	return best
}

// shared counts the members that two structures have in common by name.
func shared(a, b btf.Type) int {
	if a.Kind != btf.Struct && a.Kind != btf.Union {
		return 0
	}
	names := map[string]bool{}
	for i := range a.Len {
		names[a.Member(i).Name] = true
	}
	n := 0
	for i := range b.Len {
		if names[b.Member(i).Name] {
			n++
		}
	}
	return n
}

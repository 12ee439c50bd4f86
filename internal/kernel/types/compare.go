package types

import (
	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// A key is a pair of types by their ids.
type key struct {
	space uint32
	a, b  btf.ID
}

// A node is a pair of types with names, or of functions or variables.
type node struct {
	key
	change   Change
	from, to uint32 // its edges, once it was compared
	compared bool
}

// An edge leads to a pair that both types of a node refer to at the same place.
type edge struct {
	to    int32
	value bool // they contain it, not a pointer to it
}

// node returns the number of a pair.
func (c *Comparison) node(in uint32, a, b btf.ID) int32 {
	if s := c.spaces[in]; a < s.a.First() && b < s.b.First() {
		in = 0
	}
	k := key{in, a, b}
	n, ok := c.ids[k]
	if !ok {
		n = int32(len(c.nodes))
		c.ids[k] = n
		c.nodes = append(c.nodes, node{key: k})
		if _, ok := c.first[a]; !ok && in == 0 {
			c.first[a] = n
		}
	}
	return n
}

// compared returns the edges of a pair and compares it if that was not done before. The slice is valid until the next
// call.
func (c *Comparison) compared(n int32) []edge {
	if !c.nodes[n].compared {
		w := c.walk(c.nodes[n].space, c.left)
		from := uint32(len(c.edges))
		change := w.pair(c.nodes[n].a, c.nodes[n].b)
		c.left = w.left
		node := &c.nodes[n]
		node.change, node.from, node.to, node.compared = change, from, uint32(len(c.edges)), true
	}
	return c.edges[c.nodes[n].from:c.nodes[n].to]
}

// A walk compares one pair and collects its edges.
type walk struct {
	*Comparison
	space  uint32
	fa, fb *btf.File
	left   int  // steps it may still make
	moved  bool // something in a type without name is elsewhere
}

func (c *Comparison) walk(in uint32, steps int) walk {
	return walk{Comparison: c, space: in, fa: c.spaces[in].a, fb: c.spaces[in].b, left: steps}
}

// spend takes a step away and tells whether it was left.
func (w *walk) spend() bool {
	w.left--
	return w.left > 0
}

// pair compares two types that have the same name.
func (w *walk) pair(a, b btf.ID) Change {
	ta, tb := w.fa.Type(a), w.fb.Type(b)
	switch ta.Kind {
	case btf.Struct, btf.Union:
		return w.structs(ta, tb)
	case btf.Enum, btf.Enum64:
		return w.enums(ta, tb)
	case btf.Typedef:
		return w.typedefs(ta, tb)
	}
	switch {
	case w.same(ta.Ref, tb.Ref, 0, true) && !w.moved:
		return Same
	case ta.Kind != tb.Kind || w.moved:
		return Moved
	case ta.Kind == btf.Func && w.called(w.fa.Type(ta.Ref), w.fb.Type(tb.Ref)),
		ta.Kind == btf.Var && w.alike(ta.Ref, tb.Ref, 0):
		return Text
	}
	return Moved
}

// called tells whether callers of one function can call the other. They do not mind that it returns a number where it
// did not.
func (w *walk) called(a, b btf.Type) bool {
	if to := w.fb.Resolve(b.Ref).Kind; a.Ref == 0 && (to == btf.Int || to == btf.Pointer) {
		return w.takeAlike(a, b, 0)
	}
	return w.callable(a, b, 0)
}

// structs compares two structures or unions: at first quickly, as if they were the same.
func (w *walk) structs(a, b btf.Type) Change {
	if w.a.Distilled {
		if a.Size != b.Size {
			return Moved
		}
		return Same
	}
	from := len(w.edges)
	if w.members(a, b, 0) {
		switch {
		case !w.moved && a.Size == b.Size:
			return Same
		case w.resized(a, b):
			return Layout
		}
		return Moved // it is packed or aligned in another way
	}
	w.edges = w.edges[:from]
	d := w.diff(a, b)
	return d.change()
}

// members compares the members of two structures in order, and tells whether their text is the same.
func (w *walk) members(a, b btf.Type, depth int) bool {
	if a.Len != b.Len {
		return false
	}
	same := true
	for i := range a.Len {
		ma, mb := a.Member(i), b.Member(i)
		if ma.Name != mb.Name || ma.Bits != mb.Bits {
			return false
		}
		w.moved = w.moved || ma.Offset != mb.Offset
		same = w.same(ma.Type, mb.Type, depth, true) && same
	}
	return same
}

// resized tells whether a member has another size, of two structures with the same text.
func (w *walk) resized(a, b btf.Type) bool {
	listA, listB := w.flatten(w.fa, a, "", 0, 0, nil), w.flatten(w.fb, b, "", 0, 0, nil)
	for i := range min(len(listA), len(listB)) {
		if listA[i].size != listB[i].size {
			return true
		}
	}
	return false
}

func (w *walk) typedefs(a, b btf.Type) Change {
	same := w.same(a.Ref, b.Ref, 0, true)
	sizeA, okA := w.fa.Size(a.Ref)
	sizeB, okB := w.fb.Size(b.Ref)
	switch {
	case same && !w.moved && sizeA == sizeB:
		return Same
	case same:
		return Layout
	case okA != okB || sizeA != sizeB || w.moved || !w.alike(a.Ref, b.Ref, 0):
		return Moved
	}
	return Text
}

// enums compares the values of two enumerations by name.
func (w *walk) enums(a, b btf.Type) Change {
	if a.Len == 0 || b.Len == 0 { // one is only declared
		return Same
	}
	if a.Size == b.Size && w.sameValues(a, b) {
		return Same
	}
	d := w.diffValues(a, b)
	return d.change()
}

func (w *walk) sameValues(a, b btf.Type) bool {
	if a.Len != b.Len {
		return false
	}
	for i := range a.Len {
		if !w.spend() || a.Enumerator(i) != b.Enumerator(i) {
			return false
		}
	}
	return true
}

// strip takes off tags, which are no part of a type, and qualifiers.
func strip(f *btf.File, id btf.ID) (t btf.Type, qualifiers uint8) {
	for range maxDepth {
		t = f.Type(id)
		switch t.Kind {
		case btf.Const:
			qualifiers |= 1
		case btf.Volatile:
			qualifiers |= 2
		case btf.Restrict:
			qualifiers |= 4
		case btf.TypeTag:
		default:
			return t, qualifiers
		}
		id = t.Ref
	}
	return t, qualifiers
}

// kindOf puts those kinds together that may stand for the same: an enumeration of 32 and one of 64 bits, and a
// structure and its declaration.
func kindOf(t btf.Type) btf.Kind {
	switch {
	case t.Kind == btf.Enum64:
		return btf.Enum
	case t.Kind == btf.Fwd && t.Flag:
		return btf.Union
	case t.Kind == btf.Fwd:
		return btf.Struct
	}
	return t.Kind
}

// same tells whether two types are written the same way. Types with names are equal if their names are; that they are
// compared themselves becomes an edge. Value says that what refers to them contains them.
func (w *walk) same(a, b btf.ID, depth int, value bool) bool {
	if !w.spend() || depth > maxDepth {
		w.left = min(w.left, 0)
		return true
	}
	ta, qa := strip(w.fa, a)
	tb, qb := strip(w.fb, b)
	kind := kindOf(ta)
	if kind != kindOf(tb) {
		return false
	}
	same := qa == qb
	switch kind {
	case btf.Struct, btf.Union, btf.Enum, btf.Typedef:
		name := ta.Name()
		if name != tb.Name() {
			return false
		}
		if name == "" {
			return w.anonymous(ta, tb, depth+1) && same
		}
		if ta.Kind != btf.Fwd && tb.Kind != btf.Fwd {
			w.edges = append(w.edges, edge{w.node(w.space, ta.ID, tb.ID), value})
		}
	case btf.Pointer:
		return w.same(ta.Ref, tb.Ref, depth+1, false) && same
	case btf.Array:
		elemA, nA, _ := ta.Array()
		elemB, nB, _ := tb.Array()
		return w.same(elemA, elemB, depth+1, value) && same && nA == nB
	case btf.FuncProto:
		return w.prototypes(ta, tb, depth+1) && same
	case btf.Int:
		// Not how it is meant: since 6.2 kernels are built with an unsigned char, which changed no interface.
		_, offA, bitsA := ta.Encoding()
		_, offB, bitsB := tb.Encoding()
		return same && ta.Size == tb.Size && offA == offB && bitsA == bitsB && ta.Name() == tb.Name()
	case btf.Float:
		return same && ta.Size == tb.Size && ta.Name() == tb.Name()
	}
	return same
}

// anonymous compares two types without name where they stand.
func (w *walk) anonymous(a, b btf.Type, depth int) bool {
	if kindOf(a) == btf.Enum {
		return w.sameValues(a, b)
	}
	w.moved = w.moved || a.Size != b.Size
	return w.members(a, b, depth)
}

func (w *walk) prototypes(a, b btf.Type, depth int) bool {
	same := w.same(a.Ref, b.Ref, depth, false) && a.Len == b.Len
	for i := range min(a.Len, b.Len) {
		same = w.same(a.Param(i).Type, b.Param(i).Type, depth, false) && same
	}
	return same
}

// callable tells whether two functions differ in words only.
func (w *walk) callable(a, b btf.Type, depth int) bool {
	return w.alike(a.Ref, b.Ref, depth) && w.takeAlike(a, b, depth)
}

func (w *walk) takeAlike(a, b btf.Type, depth int) bool {
	if a.Len != b.Len {
		return false
	}
	for i := range a.Len {
		if !w.alike(a.Param(i).Type, b.Param(i).Type, depth) {
			return false
		}
	}
	return true
}

// alike tells whether two types mean the same to a machine: numbers of one size, pointers to what has one name.
func (w *walk) alike(a, b btf.ID, depth int) bool {
	if !w.spend() || depth > maxDepth {
		w.left = min(w.left, 0)
		return false
	}
	ta, tb := w.fa.Resolve(a), w.fb.Resolve(b)
	number := func(t btf.Type) bool { return t.Kind == btf.Int || kindOf(t) == btf.Enum }
	switch {
	case number(ta) && number(tb):
		return ta.Size == tb.Size
	case kindOf(ta) != kindOf(tb):
		return false
	}
	switch kindOf(ta) {
	case btf.Struct, btf.Union:
		return ta.Named() && ta.Name() == tb.Name()
	case btf.Pointer:
		if w.fa.Resolve(ta.Ref).Kind == btf.Void || w.fb.Resolve(tb.Ref).Kind == btf.Void {
			return true
		}
		return w.alike(ta.Ref, tb.Ref, depth+1)
	case btf.Array:
		elemA, nA, _ := ta.Array()
		elemB, nB, _ := tb.Array()
		return nA == nB && w.alike(elemA, elemB, depth+1)
	case btf.FuncProto:
		return w.callable(ta, tb, depth+1)
	case btf.Float:
		return ta.Size == tb.Size
	}
	return ta.Kind == btf.Void
}

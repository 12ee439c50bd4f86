package types

import (
	"fmt"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// A Change is how a type differs in two kernels.
type Change uint8

// The changes, those that matter more behind those that matter less.
const (
	Same          Change = iota
	Text                 // names or types are written differently; nothing moved
	ValuesAdded          // an enumeration has new values
	Added                // members are new, where there was room
	Layout               // it is written the same way, but what it contains has another size
	Grown                // members are new at the end
	ValuesChanged        // values of an enumeration are others, or gone
	Gone                 // members are gone; the others are where they were
	Moved                // members are elsewhere, of another size; of a function: it is called another way
)

// String returns the word for reports.
func (c Change) String() string {
	words := [...]string{"same", "text", "values added", "added", "layout", "grown", "values changed", "gone", "moved"}
	return words[c]
}

// MarshalText is String, for JSON.
func (c Change) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Moves tells whether code that was compiled with the one type can do wrong with the other.
func (c Change) Moves() bool { return c >= Layout }

// root tells whether the type itself was changed in the source.
func (c Change) root() bool { return c != Same && c != Layout }

// A MemberChange is how one member of a structure, or one value of an enumeration, differs.
type MemberChange struct {
	Name string `json:"name"`          // of the member
	Was  string `json:"was,omitempty"` // in C with its place: "bool need_parent_lock at 0xa1"; "" if it is new
	Is   string `json:"is,omitempty"`  // the same in the other kernel; "" if it is gone

	was, is  string // without the place
	from, to int64  // the place in bits, or the value
}

// shift returns by how much a member moved; not ok if anything else is different.
func (m MemberChange) shift() (by int64, ok bool) {
	return m.to - m.from, m.Was != "" && m.Is != "" && m.was == m.is && m.to != m.from
}

// A diff is what differs in two types, in detail.
type diff struct {
	members      []MemberChange
	sizeA, sizeB uint32
	added, gone  bool
	moved        bool
	values       bool // it is about values
}

func (d *diff) change() Change {
	switch {
	case d.values && (d.gone || d.moved || d.sizeA != d.sizeB):
		return ValuesChanged
	case d.values && d.added:
		return ValuesAdded
	case d.moved, d.sizeB < d.sizeA:
		return Moved
	case d.gone:
		return Gone
	case d.sizeB > d.sizeA:
		return Grown
	case d.added:
		return Added
	}
	return Text
}

// A place is a member with its offset from the outermost structure.
type place struct {
	name string
	typ  btf.ID
	off  uint64 // in bits
	bits uint32
	size uint64 // in bytes
}

// before enters a member as it is in the first kernel.
func (m *MemberChange) before(f *btf.File, p place) {
	m.was, m.from = p.declare(f), int64(p.off)
	m.Was = m.was + p.at()
}

// after enters a member as it is in the second kernel.
func (m *MemberChange) after(f *btf.File, p place) {
	m.is, m.to = p.declare(f), int64(p.off)
	m.Is = m.is + p.at()
}

func (p place) declare(f *btf.File) string {
	text := f.Declare(p.typ, p.name)
	if p.bits != 0 {
		return fmt.Sprintf("%s:%d", text, p.bits)
	}
	return text
}

func (p place) at() string {
	if p.bits != 0 {
		return fmt.Sprintf(" at %#x:%d", p.off/8, p.off%8)
	}
	return fmt.Sprintf(" at %#x", p.off/8)
}

// flatten lists the members of a structure, and in the place of those whose type has no name, what they consist of.
func (w *walk) flatten(f *btf.File, t btf.Type, prefix string, off uint64, depth int, list []place) []place {
	for i := range t.Len {
		if !w.spend() || depth > maxDepth {
			w.left = min(w.left, 0)
			return list
		}
		m := t.Member(i)
		at := off + uint64(m.Offset)
		if to, _ := strip(f, m.Type); (to.Kind == btf.Struct || to.Kind == btf.Union) && !to.Named() {
			inner := prefix
			if m.Name != "" {
				inner += m.Name + "."
			}
			list = w.flatten(f, to, inner, at, depth+1, list)
			continue
		}
		size, _ := f.Size(m.Type)
		list = append(list, place{prefix + m.Name, m.Type, at, m.Bits, size})
	}
	return list
}

// diff compares two structures by the names of their members. What both have becomes edges.
func (w *walk) diff(a, b btf.Type) diff {
	d := diff{sizeA: a.Size, sizeB: b.Size}
	listA, listB := w.flatten(w.fa, a, "", 0, 0, nil), w.flatten(w.fb, b, "", 0, 0, nil)
	inB := make(map[string]int, len(listB))
	for i, p := range listB {
		inB[p.name] = i
	}
	seen := make([]bool, len(listB))
	for _, p := range listA {
		i, ok := inB[p.name]
		if !ok || seen[i] {
			d.gone = true
			m := MemberChange{Name: p.name}
			m.before(w.fa, p)
			d.members = append(d.members, m)
			continue
		}
		seen[i] = true
		w.member(&d, p, listB[i])
	}
	for i, p := range listB {
		if !seen[i] {
			d.added = true
			m := MemberChange{Name: p.name}
			m.after(w.fb, p)
			d.members = append(d.members, m)
		}
	}
	return d
}

// member compares one member that both have.
func (w *walk) member(d *diff, a, b place) {
	before := w.moved
	w.moved = false
	same := w.same(a.typ, b.typ, 0, true)
	moved := a.off != b.off || a.size != b.size || a.bits != b.bits || w.moved
	moved = moved || !same && !w.alike(a.typ, b.typ, 0)
	w.moved = before
	if same && !moved {
		return
	}
	d.moved = d.moved || moved
	m := MemberChange{Name: a.name}
	m.before(w.fa, a)
	m.after(w.fb, b)
	d.members = append(d.members, m)
}

// diffValues compares two enumerations by the names of their values.
func (w *walk) diffValues(a, b btf.Type) diff {
	d := diff{values: true, sizeA: a.Size, sizeB: b.Size}
	inB := map[string]int64{}
	for i := range b.Len {
		e := b.Enumerator(i)
		inB[e.Name] = e.Value
	}
	text := func(e btf.Enumerator) string { return fmt.Sprintf("%s = %d", e.Name, e.Value) }
	for i := range a.Len {
		if !w.spend() {
			break
		}
		e := a.Enumerator(i)
		value, ok := inB[e.Name]
		delete(inB, e.Name)
		switch {
		case !ok:
			d.gone = true
			d.members = append(d.members, MemberChange{Name: e.Name, Was: text(e)})
		case value != e.Value:
			d.moved = true
			is := btf.Enumerator{Name: e.Name, Value: value}
			m := MemberChange{Name: e.Name, Was: text(e), Is: text(is), from: e.Value, to: value}
			d.members = append(d.members, m)
		}
	}
	for i := range b.Len {
		e := b.Enumerator(i)
		if _, ok := inB[e.Name]; ok {
			d.added = true
			d.members = append(d.members, MemberChange{Name: e.Name, Is: text(e)})
		}
	}
	return d
}

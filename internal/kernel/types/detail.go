package types

import (
	"fmt"
	"slices"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// A TypeChange is a type that differs in two kernels.
type TypeChange struct {
	Type    string         `json:"type"`           // "struct device", or a function: "kfree()"
	Change  Change         `json:"change"`         // how much
	SizeWas uint32         `json:"size_was"`       // in bytes
	SizeIs  uint32         `json:"size_is"`        // the same in the other kernel
	Members []MemberChange `json:"members"`        // what differs, by their places
	Symbols int            `json:"symbols"`        // how many of the symbols that were asked for reach it
	Via     []string       `json:"via,omitempty"`  // the shortest way to it, from a symbol to the type itself
	Used    string         `json:"used,omitempty"` // what the module does with it; "" if it does not name it
}

// typeChange tells what differs in a pair. What it is for a module is left to whoever asks.
func (c *Comparison) typeChange(n int32) TypeChange {
	if t, ok := c.told[n]; ok {
		return t
	}
	d := c.detail(n)
	t := TypeChange{Type: c.name(n), Change: c.nodes[n].change, SizeWas: d.sizeA, SizeIs: d.sizeB, Members: d.members}
	if t.Members == nil {
		t.Members = []MemberChange{}
	}
	c.told[n] = t
	return t
}

// detail compares a pair once more, for people.
func (c *Comparison) detail(n int32) diff {
	k := c.nodes[n].key
	w := c.walk(k.space, maxSteps)
	from := len(c.edges)
	defer func() { c.edges = c.edges[:from] }()
	a, b := w.fa.Type(k.a), w.fb.Type(k.b)
	switch {
	case a.Kind == btf.Struct || a.Kind == btf.Union:
		d := w.diff(a, b)
		d.members = byPlace(d.members)
		return d
	case kindOf(a) == btf.Enum:
		return w.diffValues(a, b)
	}
	name := a.Name()
	if a.Kind == btf.Typedef {
		sizeA, _ := w.fa.Size(a.ID)
		sizeB, _ := w.fb.Size(b.ID)
		return diff{sizeA: uint32(sizeA), sizeB: uint32(sizeB), members: []MemberChange{
			{Name: name, Was: "typedef " + w.fa.Declare(a.Ref, name), Is: "typedef " + w.fb.Declare(b.Ref, name)}}}
	}
	return diff{members: []MemberChange{{Name: name, Was: w.fa.Declare(a.Ref, name), Is: w.fb.Declare(b.Ref, name)}}}
}

// byPlace sorts members by where they are, those that are gone by where they were.
func byPlace(members []MemberChange) []MemberChange {
	order := make([]int32, len(members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(i, j int32) int {
		x, y := &members[i], &members[j]
		return int(max(x.from, x.to) - max(y.from, y.to))
	})
	sorted := make([]MemberChange, 0, len(members))
	for _, i := range order {
		sorted = append(sorted, members[i])
	}
	return sorted
}

// Lines says in words what differs, a line for each member: "size was 48, is 56", "bool need_parent_lock at 0x30 is
// new". Members that follow each other and moved by the same amount are one line.
func (t TypeChange) Lines() []string {
	var lines []string
	if t.SizeWas != t.SizeIs {
		lines = append(lines, fmt.Sprintf("size was %d, is %d", t.SizeWas, t.SizeIs))
	}
	for i := 0; i < len(t.Members); i++ {
		m := t.Members[i]
		by, moved := m.shift()
		last := i
		for moved && last+1 < len(t.Members) {
			if next, ok := t.Members[last+1].shift(); !ok || next != by {
				break
			}
			last++
		}
		switch {
		case last > i:
			lines = append(lines, fmt.Sprintf("from %s on %d moved by %s", m.Was, last+1-i, t.distance(by)))
			i = last
		case m.Was == "":
			lines = append(lines, m.Is+" is new")
		case m.Is == "":
			lines = append(lines, m.Was+" is gone")
		default:
			lines = append(lines, m.Was+" is now "+m.Is)
		}
	}
	if len(lines) == 0 && t.Change == Layout {
		lines = append(lines, "what it contains has another place")
	} else if len(lines) == 0 {
		lines = append(lines, "it is written in another way; nothing moved")
	}
	return lines
}

// distance says how far members moved, or by how much values differ.
func (t TypeChange) distance(by int64) string {
	switch {
	case t.Change == ValuesChanged:
		return fmt.Sprintf("%+d", by)
	case by%8 != 0:
		return fmt.Sprintf("%+d bits", by)
	}
	return fmt.Sprintf("%+d bytes", by/8)
}

package types

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// A Class says what the changes of a kernel's types mean for one module; the worst is the last.
type Class uint8

// The classes.
const (
	ClassSame       Class = iota // nothing differs that the module's symbols reach
	ClassText                    // names or types are written differently, nothing else
	ClassAdded                   // members or values are new where there was room: nothing moved
	ClassNoneNamed               // something moved, but in no type that the module names
	ClassNamesMoved              // it names a type that moved, or calls a function that is called in another way
	ClassNotKnown                // what there is does not tell
)

// String returns the words for reports.
func (c Class) String() string {
	words := [...]string{
		"same", "text only", "added, nothing moved", "changed types, none named by the module",
		"names a type that moved", "not known",
	}
	return words[c]
}

// MarshalText is String, for JSON.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// A Module is what is to be known of a module.
type Module struct {
	// Imports are the symbols it needs, with the versions it was built with. Without versions the types of all are
	// compared.
	Imports []Export

	// Types are the module's own, split over kernel a's or over its distilled base; nil if it has none, or the base
	// is not there.
	Types *btf.File

	// Debug returns the module's debugging information, or nil; nil if there is none. It is called only if Types are
	// nil and something has moved: to read it takes long.
	Debug func() *Debug

	debug *Debug // what it returned
}

// Changes are what differs for a module between the kernel it was built for and another one.
type Changes struct {
	Class  Class  `json:"class"`         // what it means for the module
	Why    string `json:"why,omitempty"` // of what is not known: the reason, for people
	Differ int    `json:"differ"`        // imports whose version differs; without versions, whose types do
	Named  int    `json:"named"`         // how many types of the kernel the module names

	// Types are what the imports reach that changed, and what the module names: that first, then the nearest.
	Types []TypeChange `json:"types"`

	NoType  []string `json:"no_type,omitempty"`  // imports that differ and have no type, so that nothing tells why
	CRCOnly []string `json:"crc_only,omitempty"` // imports that differ though their types are equal
	Gone    []string `json:"gone,omitempty"`     // imports that the other kernel does not export
	Missing []string `json:"missing,omitempty"`  // imports of modules that were not added
	Untyped []string `json:"untyped,omitempty"`  // without versions: imports without a type, which are not compared
	Foreign []string `json:"foreign,omitempty"`  // imports with another version than kernel a's: built for a third

	tooMuch bool // the module's types are too many
}

// Module tells what differs for a module.
func (c *Comparison) Module(m Module) *Changes {
	c.look(m.Imports)
	ch := &Changes{Types: []TypeChange{}}
	starts, unknown := c.imports(ch, m.Imports)
	found := c.reach(starts)
	roots := c.roots(found)
	counts := c.counts(starts, roots)
	moves := func(n int32) bool { return c.nodes[n].change.Moves() }
	if m.Types == nil && m.Debug != nil && slices.ContainsFunc(roots, moves) {
		m.debug = m.Debug()
	}
	used := c.used(ch, m, starts)
	for i, n := range roots {
		t := c.typeChange(n)
		t.Symbols, t.Via = counts[i], c.way(found, n)
		if found.parent[n] < 0 && t.Change.Moves() {
			t.Used = "calls it"
		}
		if u, ok := used[n]; ok {
			t.Used = u
			delete(used, n)
		}
		ch.Types = append(ch.Types, t)
	}
	c.unreached(ch, used)
	ch.Types = usedFirst(ch.Types)
	c.explained(ch, starts, roots, unknown)
	ch.Class, ch.Why = c.class(ch, m)
	return ch
}

// usedFirst puts first what moved and is named, then what is named.
func usedFirst(list []TypeChange) []TypeChange {
	sorted := make([]TypeChange, 0, len(list))
	for rank := range 3 {
		for _, t := range list {
			of := 2
			switch {
			case t.Used == "":
			case t.Change.Moves():
				of = 0
			default:
				of = 1
			}
			if of == rank {
				sorted = append(sorted, t)
			}
		}
	}
	return sorted
}

// imports sorts a module's imports: those to begin with, that differ or have no version to tell, and those that
// differ without a type.
func (c *Comparison) imports(ch *Changes, imports []Export) (starts []int32, versioned []*symbol) {
	for _, im := range imports {
		s := c.symbols[im.Name]
		switch {
		case s == nil:
			ch.Missing = append(ch.Missing, im.Name)
			continue
		case s.b == nil:
			ch.Gone = append(ch.Gone, im.Name)
			continue
		}
		versions := im.HasCRC && s.b.HasCRC
		if versions && im.CRC == s.b.CRC {
			continue
		}
		if s.a != nil && im.HasCRC && s.a.HasCRC && s.a.CRC != im.CRC {
			ch.Foreign = append(ch.Foreign, im.Name)
		}
		if versions {
			ch.Differ++
			versioned = append(versioned, s)
		}
		switch {
		case s.typed():
			starts = append(starts, c.symbolNode(s))
		case versions:
			ch.NoType = append(ch.NoType, im.Name)
		default:
			ch.Untyped = append(ch.Untyped, im.Name)
		}
	}
	return starts, versioned
}

// explained counts what differs without versions, and lists the versions that no type explains.
func (c *Comparison) explained(ch *Changes, starts, roots []int32, versioned []*symbol) {
	changed := c.reaching(roots)
	for _, s := range versioned {
		if s.typed() && !changed[s.node] {
			ch.CRCOnly = append(ch.CRCOnly, s.name)
		}
	}
	if len(versioned) > 0 {
		return
	}
	for _, n := range starts {
		if changed[n] {
			ch.Differ++
		}
	}
}

// used returns the pairs that changed and that the module names or that are contained in what it names, with what it
// does with them. A module names what the functions take and return that it calls.
func (c *Comparison) used(ch *Changes, m Module, starts []int32) map[int32]string {
	used := map[int32]string{}
	if c.a.Types == nil || c.b.Types == nil {
		return used
	}
	if m.Types != nil || m.debug != nil {
		var ids []btf.ID
		var found map[btf.ID]use
		var all bool
		if m.Types != nil {
			ids, found, all = c.usesOf(m.Types)
		} else {
			ids, found, all = c.usesOfDebug(m.debug)
		}
		ch.Named, ch.tooMuch = len(ids), !all
		for _, id := range ids {
			if n := c.partner(id); n >= 0 {
				c.contained(n, found[id].text, used)
			}
		}
	}
	seen := map[int32]bool{}
	for _, start := range starts {
		for _, e := range slices.Clone(c.compared(start)) {
			if !seen[e.to] {
				seen[e.to] = true
				c.contained(e.to, "names it in calls of "+c.name(start), used)
			}
		}
	}
	return used
}

// contained looks for changed types in the one that is used. If what it contains has another size or place and
// nothing in it was changed itself, that is the change.
func (c *Comparison) contained(top int32, text string, used map[int32]string) {
	layout, changed := int32(-1), false
	seen := map[int32]bool{top: true}
	for queue := []int32{top}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		for _, e := range c.compared(n) {
			if e.value && !seen[e.to] {
				seen[e.to] = true
				queue = append(queue, e.to)
			}
		}
		switch change := c.nodes[n].change; {
		case change.root() && n == top:
			if changed = true; used[n] == "" || strings.Contains(used[n], ", within ") {
				used[n] = text
			}
		case change.root():
			if changed = true; used[n] == "" {
				used[n] = text + ", within " + c.name(top)
			}
		case change == Layout && layout < 0:
			layout = n
		}
	}
	if layout >= 0 && !changed {
		used[layout] = text
	}
}

// unreached adds what the module names and none of its imports reaches.
func (c *Comparison) unreached(ch *Changes, used map[int32]string) {
	var rest []int32
	for n := range used {
		rest = append(rest, n)
	}
	slices.Sort(rest)
	for _, n := range rest {
		t := c.typeChange(n)
		t.Used = used[n]
		ch.Types = append(ch.Types, t)
	}
}

// class tells what all of it means.
func (c *Comparison) class(ch *Changes, m Module) (Class, string) {
	worst := Same
	for _, t := range ch.Types {
		if t.Used != "" && t.Change.Moves() {
			return ClassNamesMoved, ""
		}
		worst = max(worst, t.Change)
	}
	unexplained := slices.Concat(ch.NoType, ch.CRCOnly, ch.Missing)
	switch {
	case c.TooMuch() || ch.tooMuch:
		return ClassNotKnown, "the types are too many, or nested too deep"
	case c.a.Types == nil || c.b.Types == nil:
		return ClassNotKnown, "the types of both kernels are needed"
	case c.a.Distilled:
		return ClassNotKnown, "the module has sizes alone of the kernel it was built for"
	case len(ch.Foreign) > 0:
		return ClassNotKnown, "the module was not built for that kernel: it has another version of " + few(ch.Foreign)
	case worst.Moves() && m.Types == nil && m.debug == nil:
		return ClassNotKnown, "the module has no types of its own that tell what it names"
	case worst.Moves():
		return ClassNoneNamed, ""
	case len(unexplained) > 0:
		return ClassNotKnown, "no type tells what changed in " + few(unexplained)
	case worst >= ValuesAdded:
		return ClassAdded, ""
	case worst == Text:
		return ClassText, ""
	}
	return ClassSame, ""
}

// few names at most three.
func few(names []string) string {
	if n := len(names) - 3; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n)
	}
	return strings.Join(names, ", ")
}

package types

import (
	"slices"
	"strings"
)

// A Tally counts symbols by what is known of their types.
type Tally struct {
	Equal     int `json:"equal"`     // the prototype and all that it reaches are the same
	Closure   int `json:"closure"`   // a type differs that the prototype reaches
	Prototype int `json:"prototype"` // the prototype itself differs
	NoType    int `json:"no_type"`   // one of the kernels has no type for it
}

// A Report compares all that two kernels export.
type Report struct {
	Types      []TypeChange `json:"types"`      // those that most symbols reach first
	Prototypes []TypeChange `json:"prototypes"` // functions and variables that are declared in another way, by name
	Gone       []string     `json:"gone"`       // exports that the second kernel has not
	New        []string     `json:"new"`        // exports that only the second has
	CRCOnly    []string     `json:"crc_only"`   // the version differs though the types are equal
	NoType     []string     `json:"no_type"`    // the version differs and there is no type to tell why
	Differ     Tally        `json:"differ"`     // exports of both whose versions differ
	Agree      Tally        `json:"agree"`      // exports of both whose versions are equal, or that have none
	TooMuch    bool         `json:"too_much"`   // the types are too many to be compared: the report is not complete
}

// Report compares everything, those of the symbols if there are some named, else all.
func (c *Comparison) Report(names ...string) *Report {
	r := &Report{
		Types: []TypeChange{}, Prototypes: []TypeChange{},
		Gone: []string{}, New: []string{}, CRCOnly: []string{}, NoType: []string{},
	}
	c.look(nil)
	list := c.named(names)
	var starts []int32
	for _, s := range list {
		if s.a != nil && s.b != nil && s.typed() {
			starts = append(starts, c.symbolNode(s))
		}
	}
	found := c.reach(starts)
	changed := c.reaching(c.roots(found))
	for _, s := range list {
		r.symbol(c, s, changed)
	}
	c.reportTypes(r, found, starts)
	r.TooMuch = c.TooMuch()
	return r
}

// named returns symbols by their names, sorted; all if there are none.
func (c *Comparison) named(names []string) []*symbol {
	var list []*symbol
	if len(names) == 0 {
		for _, s := range c.symbols {
			list = append(list, s)
		}
	}
	for _, name := range names {
		if s := c.symbols[name]; s != nil {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *symbol) int { return strings.Compare(a.name, b.name) })
	return slices.Compact(list)
}

// reaching tells for each pair whether it reaches one of the roots, or is one.
func (c *Comparison) reaching(roots []int32) []bool {
	from, back := c.reversed()
	changed := make([]bool, len(c.nodes))
	queue := slices.Clone(roots)
	for _, n := range roots {
		changed[n] = true
	}
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range back[from[n]:from[n+1]] {
			if !changed[p] {
				changed[p] = true
				queue = append(queue, p)
			}
		}
	}
	return changed
}

// symbol enters one symbol.
func (r *Report) symbol(c *Comparison, s *symbol, changed []bool) {
	switch {
	case s.b == nil:
		r.Gone = append(r.Gone, s.name)
		return
	case s.a == nil:
		r.New = append(r.New, s.name)
		return
	}
	t, differs := &r.Agree, s.differs()
	if differs {
		t = &r.Differ
	}
	switch {
	case !s.typed():
		t.NoType++
		if differs {
			r.NoType = append(r.NoType, s.name)
		}
	case c.nodes[s.node].change.root():
		t.Prototype++
	case changed[s.node]:
		t.Closure++
	default:
		t.Equal++
		if differs {
			r.CRCOnly = append(r.CRCOnly, s.name)
		}
	}
}

// reportTypes enters the types that differ.
func (c *Comparison) reportTypes(r *Report, found *search, starts []int32) {
	roots := c.roots(found)
	counts := c.counts(starts, roots)
	order := make([]int32, len(roots))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(i, j int32) int { return counts[j] - counts[i] })
	for _, i := range order {
		t := c.typeChange(roots[i])
		if t.Symbols = counts[i]; found.parent[roots[i]] >= 0 {
			t.Via = c.way(found, roots[i])
			r.Types = append(r.Types, t)
		}
	}
	for i, n := range roots { // those that the search starts from are in the order of names
		if found.parent[n] < 0 {
			t := c.typeChange(n)
			t.Symbols = counts[i]
			r.Prototypes = append(r.Prototypes, t)
		}
	}
}

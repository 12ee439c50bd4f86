package types

import (
	"math/bits"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
)

// node returns the pair of a symbol's types, for one that is typed.
func (c *Comparison) symbolNode(s *symbol) int32 {
	if s.node < 0 {
		s.node = c.node(s.space, s.idA, s.idB)
	}
	return s.node
}

// A search is what can be reached from some pairs, the nearest first.
type search struct {
	order  []int32
	parent map[int32]int32 // what a pair was reached by; -1 for those the search starts from
}

// reach compares all that can be reached.
func (c *Comparison) reach(starts []int32) *search {
	s := &search{parent: make(map[int32]int32, len(starts))}
	for _, n := range starts {
		if _, ok := s.parent[n]; !ok {
			s.parent[n] = -1
			s.order = append(s.order, n)
		}
	}
	for i := 0; i < len(s.order); i++ {
		n := s.order[i]
		for _, e := range c.compared(n) {
			if _, ok := s.parent[e.to]; !ok {
				s.parent[e.to] = n
				s.order = append(s.order, e.to)
			}
		}
	}
	return s
}

// roots returns the changed ones, the nearest first.
func (c *Comparison) roots(s *search) []int32 {
	var roots []int32
	for _, n := range s.order {
		if c.nodes[n].change.root() {
			roots = append(roots, n)
		}
	}
	return roots
}

// way returns how a pair was reached, in words: "dev_get_by_index()", "struct net_device". Typedefs between are left
// out.
func (c *Comparison) way(s *search, n int32) []string {
	var way []string
	for at := n; at >= 0; at = s.parent[at] {
		if t := c.typeA(at); at == n || t.Kind != btf.Typedef {
			way = append(way, c.name(at))
		}
	}
	for i, j := 0, len(way)-1; i < j; i, j = i+1, j-1 {
		way[i], way[j] = way[j], way[i]
	}
	return way
}

func (c *Comparison) typeA(n int32) btf.Type {
	k := c.nodes[n].key
	return c.spaces[k.space].a.Type(k.a)
}

// name returns what people call a pair.
func (c *Comparison) name(n int32) string {
	t := c.typeA(n)
	switch t.Kind {
	case btf.Func:
		return t.Name() + "()"
	case btf.Typedef, btf.Var:
		return t.Name()
	}
	return t.Specifier()
}

// counts returns how many of the starts reach each of the roots.
func (c *Comparison) counts(starts, roots []int32) []int {
	from, back := c.reversed()
	counts := make([]int, len(roots))
	for first := 0; first < len(roots); first += 64 {
		masks := make([]uint64, len(c.nodes)) // which of 64 roots a pair reaches
		var queue []int32
		for i, n := range roots[first:min(len(roots), first+64)] {
			masks[n] |= 1 << i
			queue = append(queue, n)
		}
		for len(queue) > 0 {
			n := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, p := range back[from[n]:from[n+1]] {
				if masks[n]&^masks[p] != 0 {
					masks[p] |= masks[n]
					queue = append(queue, p)
				}
			}
		}
		for _, n := range starts {
			for m := masks[n]; m != 0; m &= m - 1 {
				counts[first+bits.TrailingZeros64(m)]++
			}
		}
	}
	return counts
}

// reversed returns the edges the other way round: those that lead to pair n are from back[from[n]:from[n+1]].
func (c *Comparison) reversed() (from []uint32, back []int32) {
	from = make([]uint32, len(c.nodes)+1)
	for i := range c.nodes {
		for _, e := range c.edges[c.nodes[i].from:c.nodes[i].to] {
			from[e.to+1]++
		}
	}
	for i := range c.nodes {
		from[i+1] += from[i]
	}
	back = make([]int32, from[len(c.nodes)])
	next := append([]uint32(nil), from...)
	for i := range c.nodes {
		for _, e := range c.edges[c.nodes[i].from:c.nodes[i].to] {
			back[next[e.to]] = int32(i)
			next[e.to]++
		}
	}
	return from, back
}

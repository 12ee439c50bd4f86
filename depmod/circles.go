package depmod

import "slices"

// How many circles are reported, and with how many names in all: there can be more than anybody can read, or any
// memory hold.
const (
	maxCycles     = 1000
	maxCycleNames = 1 << 18
)

// circles looks for circles among the dependencies.
type circles struct {
	*builder
	in     []int // the component that a module is in, from 1; 0: it is in no circle
	count  int   // components so far
	number []int // working memory of components: when a module was met, from 1
	low    []int // the earliest module that it leads back to; 0: its component is complete

	reported, names int
}

// reportCycles reports circles, and returns the number of modules that are in one. Which modules are started from,
// the order and the direction are those of kmod: from the first module that has no place in the order of the
// dependencies, all ways back to it, the last dependency first; then from the next one that was not met on these ways.
// kmod goes on for ever where a circle is met that does not lead back to the start; here such ones follow.
func (b *builder) reportCycles() (found int) {
	n := len(b.modules)
	c := &circles{builder: b, in: make([]int, n), number: make([]int, n), low: make([]int, n)}
	ordered := make([]bool, n)
	for _, i := range b.order {
		ordered[i] = true
	}
	var left []int
	for i := range b.modules {
		if !ordered[i] {
			left = append(left, i)
		}
	}
	for _, component := range c.components(left, 0) {
		found += len(component)
	}
	done := make([]bool, c.count+1)
	members := make([][]int, c.count+1)
	for _, i := range left {
		members[c.in[i]] = append(members[c.in[i]], i)
	}
	met := make([]bool, n)
	for start, at := true, 0; start; {
		last := -1
		for _, i := range c.walk(left[at], met) {
			last = i
			if k := c.in[i]; k > 0 && k < len(done) && !done[k] {
				done[k] = true
				c.reportComponent(i, members[k])
			}
		}
		at, start = nextUnmet(left, met, last)
	}
	return found
}

// nextUnmet returns the position of the first module in the list, which is sorted, that is behind last and was not
// met; behind the end it begins anew.
func nextUnmet(list []int, met []bool, last int) (at int, ok bool) {
	first, _ := slices.BinarySearch(list, last)
	for n := range list {
		if at := (first + n) % len(list); !met[list[at]] {
			return at, true
		}
	}
	return 0, false
}

// walk returns the modules that a module leads to and that were not met yet, in the order in which they are met.
func (c *circles) walk(start int, met []bool) (order []int) {
	stack := []int{start}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if met[i] {
			continue
		}
		met[i] = true
		order = append(order, i)
		stack = append(stack, c.modules[i].deps...)
	}
	return order
}

// components finds the strongly connected components that have a circle among modules, all of which have the same
// number in c.in, and gives their members new ones; what is in no circle gets 0. This is Tarjan's search, without
// recursion.
func (c *circles) components(modules []int, within int) (list [][]int) {
	type step struct{ module, next int }
	for _, i := range modules {
		c.number[i], c.low[i] = 0, 0
	}
	isIn := make(map[int]bool, len(modules))
	for _, i := range modules {
		isIn[i] = c.in[i] == within
	}
	var path []step
	var open []int // modules whose component is not complete
	met := 0
	enter := func(i int) {
		met++
		c.number[i], c.low[i] = met, met
		open = append(open, i)
		path = append(path, step{module: i})
	}
	for _, start := range modules {
		if c.number[start] != 0 {
			continue
		}
		for enter(start); len(path) > 0; {
			top := &path[len(path)-1]
			i := top.module
			if deps := c.modules[i].deps; top.next < len(deps) {
				dep := deps[top.next]
				top.next++
				switch {
				case !isIn[dep]:
				case c.number[dep] == 0:
					enter(dep)
				case c.low[dep] > 0:
					c.low[i] = min(c.low[i], c.number[dep])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1].module
				c.low[up] = min(c.low[up], c.low[i])
			}
			if c.low[i] != c.number[i] {
				continue
			}
			n := len(open) - 1
			for open[n] != i {
				n--
			}
			component := slices.Clone(open[n:])
			open = open[:n]
			for _, m := range component {
				c.low[m], c.in[m] = 0, 0
			}
			if len(component) > 1 || slices.Contains(c.modules[i].deps, i) {
				c.count++
				for _, m := range component {
					c.in[m] = c.count
				}
				slices.Sort(component)
				list = append(list, component)
			}
		}
	}
	return list
}

// reportComponent reports the circles of a component: those through start, then those of what remains without it.
func (c *circles) reportComponent(start int, members []int) {
	type part struct {
		start   int
		members []int
	}
	for todo := []part{{start, members}}; len(todo) > 0 && !c.full(); {
		p := todo[0]
		todo = todo[1:]
		within := c.in[p.start]
		c.through(p.start)
		c.in[p.start] = 0
		rest := slices.DeleteFunc(p.members, func(i int) bool { return i == p.start })
		for _, component := range c.components(rest, within) {
			todo = append(todo, part{component[0], component})
		}
	}
}

// full reports whether no more circles are reported.
func (c *circles) full() bool { return c.reported >= maxCycles || c.names >= maxCycleNames }

// through reports the circles of start's component that go through it. This is Johnson's search, without recursion: a
// module that has led nowhere is not tried again until one that it leads to is free again, so that a circle costs no
// more than the size of the component.
func (c *circles) through(start int) {
	type step struct {
		module, next int
		found        bool
	}
	within := c.in[start]
	blocked := make(map[int]bool)
	waits := make(map[int][]int) // for a module to be free: modules that lead to it
	var path []step
	enter := func(i int) {
		blocked[i] = true
		path = append(path, step{module: i, next: len(c.modules[i].deps)})
	}
	for enter(start); len(path) > 0 && !c.full(); {
		top := &path[len(path)-1]
		deps := c.modules[top.module].deps
		if top.next > 0 {
			top.next--
			switch dep := deps[top.next]; {
			case c.in[dep] != within:
			case dep == start:
				top.found = true
				names := make([]string, 0, len(path)+1)
				for _, s := range path {
					names = append(names, c.modules[s.module].name)
				}
				c.reported, c.names = c.reported+1, c.names+len(path)+1
				c.report(Problem{Kind: Cycle, Modules: append(names, c.modules[dep].name)})
			case !blocked[dep]:
				enter(dep)
			}
			continue
		}
		s := *top
		path = path[:len(path)-1]
		if !s.found {
			for _, dep := range deps {
				if c.in[dep] == within {
					waits[dep] = append(waits[dep], s.module)
				}
			}
			continue
		}
		if len(path) > 0 {
			path[len(path)-1].found = true
		}
		for free := []int{s.module}; len(free) > 0; {
			i := free[len(free)-1]
			free = free[:len(free)-1]
			if blocked[i] {
				blocked[i] = false
				free = append(free, waits[i]...)
				delete(waits, i)
			}
		}
	}
}

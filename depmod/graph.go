package depmod

import (
	"slices"
	"sort"
)

// sortDependencies numbers the modules from users to used, and sorts what each needs by that number. The error is
// ErrCycle if there is no such order.
func (b *builder) sortDependencies() error {
	users := make([]int, len(b.modules))
	for _, m := range b.modules {
		for _, dep := range m.deps {
			users[dep]++
		}
	}
	var stack []int
	for i, n := range users {
		if n == 0 {
			stack = append(stack, i)
		}
	}
	b.order = make([]int, 0, len(b.modules))
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b.modules[i].rank = len(b.order)
		b.order = append(b.order, i)
		for _, dep := range b.modules[i].deps {
			if users[dep]--; users[dep] == 0 {
				stack = append(stack, dep)
			}
		}
	}
	if len(b.order) < len(b.modules) {
		return &CycleError{b.reportCycles()}
	}
	for _, m := range b.modules {
		b.sortByRank(m.deps)
	}
	return nil
}

// sortByRank sorts modules from users to used.
func (b *builder) sortByRank(list []int) {
	sort.Slice(list, func(i, j int) bool { return b.modules[list[i]].rank < b.modules[list[j]].rank })
}

// maxCycles is how many circles are reported: there can be more than anybody can read, or any memory hold.
const maxCycles = 100

// reportCycles reports circles: for each module that leads back to one on the way to it the way between. It returns the
// number of modules that are in a circle. This is Tarjan's search for strongly connected components, without recursion.
func (b *builder) reportCycles() (found int) {
	type step struct{ module, next int }
	number := make([]int, len(b.modules)) // when a module was met, from 1
	low := make([]int, len(b.modules))    // the earliest module that it leads back to
	at := make([]int, len(b.modules))     // where it is in path, from 1
	var path []step
	var open []int // modules whose component is not complete
	met, reported := 0, 0
	enter := func(i int) {
		met++
		number[i], low[i] = met, met
		open = append(open, i)
		path = append(path, step{module: i})
		at[i] = len(path)
	}
	for start := range b.modules {
		if number[start] != 0 {
			continue
		}
		for enter(start); len(path) > 0; {
			top := &path[len(path)-1]
			i := top.module
			if deps := b.modules[i].deps; top.next < len(deps) {
				dep := deps[top.next]
				top.next++
				switch {
				case number[dep] == 0:
					enter(dep)
				case at[dep] > 0 && reported < maxCycles:
					reported++
					var names []string
					for _, s := range path[at[dep]-1:] {
						names = append(names, b.modules[s.module].name)
					}
					b.report(Problem{Kind: Cycle, Modules: append(names, b.modules[dep].name)})
					low[i] = min(low[i], number[dep])
				case low[dep] > 0:
					low[i] = min(low[i], number[dep])
				}
				continue
			}
			path = path[:len(path)-1]
			at[i] = 0
			if len(path) > 0 {
				up := path[len(path)-1].module
				low[up] = min(low[up], low[i])
			}
			if low[i] != number[i] {
				continue
			}
			n := slices.Index(open, i)
			if component := open[n:]; len(component) > 1 || slices.Contains(b.modules[i].deps, i) {
				found += len(component)
			}
			for _, m := range open[n:] {
				low[m] = 0 // complete
			}
			open = open[:n]
		}
	}
	return found
}

// closures calls visit for each module with all modules that it needs, directly or not, from users to used. The slice
// is valid during the call.
func (b *builder) closures(visit func(m *module, needs []int)) {
	mark := make([]int, len(b.modules))
	var needs []int
	for _, m := range b.modules {
		needs = append(needs[:0], m.deps...)
		for _, dep := range needs {
			mark[dep] = m.index + 1
		}
		for i := 0; i < len(needs); i++ {
			for _, dep := range b.modules[needs[i]].deps {
				if mark[dep] != m.index+1 {
					mark[dep] = m.index + 1
					needs = append(needs, dep)
				}
			}
		}
		b.sortByRank(needs)
		visit(m, needs)
	}
}

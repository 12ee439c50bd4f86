package depmod

import "slices"

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
		b.reportCycles(users)
		return &CycleError{len(b.modules) - len(b.order)}
	}
	for _, m := range b.modules {
		b.sortByRank(m.deps)
	}
	return nil
}

// sortByRank sorts modules from users to used.
func (b *builder) sortByRank(list []int) {
	slices.SortFunc(list, func(x, y int) int { return b.modules[x].rank - b.modules[y].rank })
}

// reportCycles reports circles among the modules that are still used by others: one for each that is met first on a way
// back to it.
func (b *builder) reportCycles(users []int) {
	const white, grey, black = 0, 1, 2
	color := make([]byte, len(b.modules))
	type step struct{ module, next int }
	for start := range b.modules {
		if users[start] == 0 || color[start] != white {
			continue
		}
		path := []step{{module: start}}
		color[start] = grey
		for len(path) > 0 {
			top := &path[len(path)-1]
			deps := b.modules[top.module].deps
			if top.next == len(deps) {
				color[top.module] = black
				path = path[:len(path)-1]
				continue
			}
			dep := deps[top.next]
			top.next++
			switch color[dep] {
			case white:
				color[dep] = grey
				path = append(path, step{module: dep})
			case grey:
				i := slices.IndexFunc(path, func(s step) bool { return s.module == dep })
				var names []string
				for _, s := range path[i:] {
					names = append(names, b.modules[s.module].name)
				}
				b.report(Problem{Kind: Cycle, Modules: append(names, b.modules[dep].name)})
			}
		}
	}
}

// closures calls visit for each module with all modules that it needs, directly or not, from users to used. The slice is
// valid during the call.
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

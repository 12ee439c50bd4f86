package depmod

import "sort"

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

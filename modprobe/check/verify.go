package check

import (
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// Verify verifies the signatures of modules, on all processors at once. What comes out is kept for [target.Check], until [target.Use]
// brings other keys.
func (k *target) Verify(modules []*kernel.Module) {
	states := make([]kernel.SigState, len(modules))
	var each sync.WaitGroup
	for i, m := range modules {
		each.Go(func() { states[i] = m.Verify(k.Keys) })
	}
	each.Wait()
	k.verified = make(map[*kernel.Module]kernel.SigState, len(modules))
	for i, m := range modules {
		k.verified[m] = states[i]
	}
}

// signature judges a module's signature.
func (k *target) signature(m *kernel.Module) kernel.SigState {
	if state, ok := k.verified[m]; ok {
		return state
	}
	return m.Verify(k.Keys)
}

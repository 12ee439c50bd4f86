package check

import (
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// Verify verifies the signatures of modules, on all processors at once. What comes out is kept for [target.Check],
// until [target.Use] brings other keys.
func (k *target) Verify(modules []*kernel.Module) {
	found := make([]kernel.SigFinding, len(modules))
	var each sync.WaitGroup
	for i, m := range modules {
		each.Go(func() { found[i] = k.Judge(m) })
	}
	each.Wait()
	k.verified = make(map[*kernel.Module]kernel.SigFinding, len(modules))
	for i, m := range modules {
		k.verified[m] = found[i]
	}
}

// signature judges a module's signature.
func (k *target) signature(m *kernel.Module) kernel.SigFinding {
	if found, ok := k.verified[m]; ok {
		return found
	}
	return k.Judge(m)
}

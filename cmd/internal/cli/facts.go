package cli

import (
	"fmt"
	"hash/fnv"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// FactsDir has what the modules of trees without tables say of themselves, a file for each tree. Only root can write
// there, so that for others nothing is kept.
const FactsDir = "/run/gomodprobe/trees"

// Bounds of it.
const (
	maxFacts = 64 << 20 // bytes of a file; a distribution's kernel has three million
	maxTrees = 4        // files
)

// facts keeps facts in FactsDir.
type facts struct{ env *Env }

// Facts returns what keeps the facts of trees of this machine; nil if nothing is kept.
func Facts(env *Env) modprobe.Facts {
	if env.WriteOwned == nil {
		return nil
	}
	return facts{env}
}

// file names the file of a tree.
func (facts) file(key string) string {
	h := fnv.New64a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s/%016x", FactsDir, h.Sum64())
}

// Get maps a file that only root and the caller can have written.
func (f facts) Get(key string) []byte {
	name, err := FSName(f.env.FS, f.file(key))
	if err != nil {
		return nil
	}
	data, err := trusted.MapOwned(f.env.FS, name, maxFacts)
	if err != nil {
		return nil
	}
	return data
}

// Put writes one. Where it cannot be written there is none.
func (f facts) Put(key string, data []byte) { f.env.WriteOwned(f.file(key), data, maxTrees) }

package check

import (
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// Target is what modules are compared with.
type Target = target

// StructModule is the layout of struct module.
type StructModule = structModule

// Signature judges a module's signature.
func (k *target) Signature(m *kernel.Module) kernel.SigState { return k.signature(m).State }

// Verified counts the modules whose signatures are known.
func (k *target) Verified() int { return len(k.verified) }

// WordsOf reads the loader's sentences out of a kernel's constants.
func WordsOf(constants string) kernel.Words {
	w, _ := kernel.ReadWords([]byte(constants))
	return w
}

// TodaysWords are the constants of a kernel with the loader's sentences of today, but for those that contain one of
// these words.
func TodaysWords(but ...string) string {
	text := "\x00"
	for s := range kernel.Sentences {
		if !slices.ContainsFunc(but, func(b string) bool { return strings.Contains(s.Format(), b) }) {
			text += "\x013" + s.Format() + "\n\x00"
		}
	}
	return text
}

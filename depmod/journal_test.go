package depmod

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// FuzzJournal reads damaged journals: the names in what is accepted lie in the folder, and written again it reads the
// same.
func FuzzJournal(f *testing.F) {
	fuzzseed.Add(f, journal([]table{{"modules.dep.bin", []byte("x")}, {"modules.dep", nil}}))
	fuzzseed.Add(f, journal(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed := sealed(append([]byte(journalMagic), data...)) // so that there is more than the check sum to be wrong
		for _, data := range [][]byte{data, sealed} {
			list, ok := parseJournal(data)
			if !ok {
				continue
			}
			for _, e := range list {
				if filepath.Base(e.name) != e.name || e.name == ".." {
					t.Errorf("name %q", e.name)
				}
			}
			if again, ok := parseJournal(formatJournal(list)); !ok || !slices.Equal(again, list) {
				t.Errorf("%v becomes %v", list, again)
			}
		}
	})
}

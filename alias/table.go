package alias

import (
	"slices"
	"strings"
)

// Table finds the modules for a modalias among many entries. It is safe for concurrent use.
type Table struct {
	patterns []Entry // with the patterns in normal spelling
	byPrefix map[string][]int32
	lengths  []int // of the keys of byPrefix, ascending
}

// NewTable returns a table of the entries. An entry whose pattern Normalize refuses matches nothing, as with kmod.
func NewTable(entries ...Entry) *Table {
	t := &Table{patterns: make([]Entry, len(entries)), byPrefix: make(map[string][]int32)}
	for i, e := range entries {
		pattern, err := Normalize(e.Pattern)
		if err != nil {
			continue
		}
		t.patterns[i] = Entry{pattern, e.Module}
		prefix := pattern
		if end := strings.IndexAny(pattern, `*?[\`); end >= 0 {
			prefix = pattern[:end]
		}
		if _, ok := t.byPrefix[prefix]; !ok {
			t.lengths = append(t.lengths, len(prefix))
		}
		t.byPrefix[prefix] = append(t.byPrefix[prefix], int32(i))
	}
	slices.Sort(t.lengths)
	t.lengths = slices.Compact(t.lengths)
	return t
}

// Lookup returns the modules whose patterns match the modalias s, in the order of the entries, a module as often as
// it has such patterns. Dashes in s are the same as underscores.
func (t *Table) Lookup(s string) []string {
	s, err := Normalize(s)
	if err != nil {
		return nil
	}
	var found []int32
	for _, n := range t.lengths {
		if n > len(s) {
			break
		}
		for _, i := range t.byPrefix[s[:n]] {
			if Match(t.patterns[i].Pattern, s) {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	var modules []string
	for _, i := range found {
		modules = append(modules, t.patterns[i].Module)
	}
	return modules
}

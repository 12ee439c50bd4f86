// Package near finds the words that a mistyped one may stand for.
package near

import (
	"iter"
	"slices"
	"strings"
)

// Words returns up to three of the words that are nearest to a typed one, in their order; nil if none is near. Case,
// and the difference between dashes and underscores, do not count.
func Words(typed string, words iter.Seq[string]) (found []string) {
	typed = plain(typed)
	tooFar := 2 + min(1, len(typed)/5)
	least := tooFar
	for word := range words {
		d := distance(typed, plain(word), tooFar)
		if d == tooFar || d > least || slices.Contains(found, word) {
			continue
		}
		if d < least {
			least, found = d, nil
		}
		if len(found) < 3 {
			found = append(found, word)
		}
	}
	return found
}

// plain spells a word as it is compared.
func plain(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "_") }

// distance returns the number of edits that turn a into b, or most if that is not less. An edit changes, inserts or
// deletes a byte, or swaps two adjacent ones.
func distance(a, b string, most int) int {
	if d := len(a) - len(b); d >= most || -d >= most {
		return most
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], most)
}

package cli

import (
	"encoding/json"
	"io"
)

// WriteJSON writes a document for programs that people can read as well: indented, with <, > and & as they are. What
// the tools print are structs whose tags are the schema; docs/json.md shows each.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// OrEmpty returns a list that is [] in JSON even if it is nil.
func OrEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Each makes a list of what f makes of the elements of another.
func Each[T, U any](list []T, f func(T) U) []U {
	all := make([]U, len(list))
	for i, x := range list {
		all[i] = f(x)
	}
	return all
}

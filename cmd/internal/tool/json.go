package tool

import (
	"encoding/json"
	"io"
)

// writeJSON writes a document for programs that people can read as well: indented, with <, > and & as they are. What the
// tools print are structs whose tags are the schema; docs/json.md shows each.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// orEmpty returns a list that is [] in JSON even if it is nil.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// each makes a list of what f makes of the elements of another.
func each[T, U any](list []T, f func(T) U) []U {
	all := make([]U, len(list))
	for i, x := range list {
		all[i] = f(x)
	}
	return all
}

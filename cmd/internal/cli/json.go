package cli

import (
	"encoding/json"
	"io"
)

// WriteJSON writes a document as JSON that people can read as well: indented, with <, > and & not escaped. The tags of
// the structs are the schema; docs/json.md shows each.
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

// Each returns the list of f(x) for each x of list. It is never nil.
func Each[T, U any](list []T, f func(T) U) []U {
	all := make([]U, len(list))
	for i, x := range list {
		all[i] = f(x)
	}
	return all
}

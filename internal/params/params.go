// Package params reads the parameters of a load as the kernel does, and compares their names with those that a module
// has.
package params

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/near"
)

// A Param is one parameter that a module is given.
type Param struct {
	// Name is what stands before the first "=".
	Name string
	// Value is what stands behind it, without quotes.
	Value string
	// HasValue reports whether there is an "=".
	HasValue bool
}

// Split cuts the text of parameters at its blanks, as the kernel does: double quotes keep blanks, and are taken off
// around a value or a whole word. What follows "--" is not for the module: after is that text, if there are dashes.
func Split(text string) (list []Param, after string, dashes bool) {
	const blanks = " \t\n\v\f\r"
	for {
		text = strings.TrimLeft(text, blanks)
		if text == "" {
			return list, "", false
		}
		quoted, end := false, 0
		for ; end < len(text) && (quoted || strings.IndexByte(blanks, text[end]) < 0); end++ {
			quoted = quoted != (text[end] == '"')
		}
		word := text[:end]
		text = text[end:]
		if rest, ok := strings.CutPrefix(word, `"`); ok {
			word = strings.TrimSuffix(rest, `"`)
		}
		name, value, hasValue := strings.Cut(word[min(1, len(word)):], "=") // a name has one letter at least
		name = word[:len(name)+min(1, len(word))]
		if name == "--" && !hasValue {
			return list, strings.TrimLeft(text, blanks), true
		}
		if rest, ok := strings.CutPrefix(value, `"`); ok {
			value = strings.TrimSuffix(rest, `"`)
		}
		list = append(list, Param{name, value, hasValue})
	}
}

// An Unknown is a parameter that a module does not have.
type Unknown struct {
	// Name is its name.
	Name string
	// Near are the names of the module's parameters that may be meant.
	Near []string
}

// NotIn returns the parameters that a module does not have, each name once. Info are the module's "key=value"
// strings, and image is the module, in whose symbols stand parameters that are not described. A module that describes
// none is not judged.
func NotIn(list []Param, info []string, image []byte) (unknown []Unknown) {
	known := make(map[string]bool)
	for _, text := range info {
		key, value, _ := strings.Cut(text, "=")
		if name, _, ok := strings.Cut(value, ":"); ok && (key == "parm" || key == "parmtype") {
			known[Plain(name)] = true
		}
	}
	if len(known) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(known))
	for _, p := range list {
		name := Plain(p.Name)
		if known[name] || name == "async_probe" || name == "dyndbg" ||
			bytes.Contains(image, []byte("\x00__param_str_"+name+"\x00")) {
			continue
		}
		known[name] = true // and say so once
		unknown = append(unknown, Unknown{p.Name, near.Words(p.Name, slices.Values(names))})
	}
	return unknown
}

// Plain spells a name as the kernel compares it: a dash is an underscore.
func Plain(name string) string { return strings.ReplaceAll(name, "-", "_") }

package kernelabi

import (
	"errors"
	"fmt"
	"strings"
)

// ErrStub says that a System.map is not one: Debian ships a sentence in its place.
var ErrStub = errors.New("a placeholder, not a symbol map")

// ParseSystemMap reads the exported names out of a System.map (or a saved /proc/kallsyms). Neither CRCs nor licences nor
// namespaces are in such a file.
func ParseSystemMap(source string, data []byte) (*Table, error) {
	var symbols []Symbol
	lines, text := 0, string(data)
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if line == "" {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) != 1 {
			if lines == 0 {
				return nil, fmt.Errorf("%s:%d: %w", source, n, ErrStub)
			}
			return nil, fmt.Errorf("%s:%d: not address, type and name", source, n)
		}
		lines++
		if len(f) > 3 && f[3][0] == '[' {
			continue // kallsyms: belongs to a loaded module
		}
		if name, ok := strings.CutPrefix(f[2], "__ksymtab_"); ok && name != "" && name != "strings" && name != "gpl" {
			symbols = append(symbols, Symbol{Name: strings.Clone(name), Owner: Core})
		}
	}
	if len(symbols) == 0 {
		return nil, fmt.Errorf("%s: no exported symbol in it", source)
	}
	t := NewTable(source, symbols)
	t.CRCs, t.Licences = false, false
	return t, nil
}

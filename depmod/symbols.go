package depmod

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
)

// symbol is a symbol that can be needed.
type symbol struct {
	owner int // the module that exports it, or inKernel
	crc   uint64
}

// readKernelSymbols reads Module.symvers or System.map.
func (b *builder) readKernelSymbols() error {
	b.symbols = make(map[string]symbol)
	var line func(line string, n int)
	source := b.Symvers
	switch {
	case b.Symvers != nil:
		line = b.symversLine
	case b.SystemMap != nil:
		line, source = b.systemMapLine, b.SystemMap
	default:
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(source, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("more than %d bytes", maxSmall)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", b.SymbolsName, err)
	}
	for n := 1; len(data) > 0; n++ {
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 {
			end = len(data)
		}
		line(string(data[:end]), n)
		data = data[end:]
	}
	b.kernelKnown = b.Symvers != nil || len(b.symbols) > 0
	for _, name := range [...]string{"__this_module", "_GLOBAL_OFFSET_TABLE_", "TOC."} {
		b.addSymbol(name, symbol{owner: inKernel})
	}
	return nil
}

// symversLine reads a line of Module.symvers: "CRC SYMBOL MODULE EXPORT …".
func (b *builder) symversLine(line string, n int) {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) < 3 || words[2] != "vmlinux" {
		return // also "vmlinux" and the end of the line: there is always a fourth word
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(words[0], "0x"), "0X")
	crc, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		b.report(Problem{Kind: SymbolLine, Path: b.SymbolsName, Line: n, Text: words[0], Err: err})
		return
	}
	b.addSymbol(words[1], symbol{inKernel, crc})
}

// ksymtab begins the names of the entries of the kernel's table of exported symbols.
const ksymtab = "__ksymtab_"

// systemMapLine reads a line of System.map: "ADDRESS TYPE NAME".
func (b *builder) systemMapLine(line string, n int) {
	_, rest, ok := strings.Cut(line, " ")
	_, name, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 {
		b.report(Problem{Kind: SymbolLine, Path: b.SymbolsName, Line: n, Text: line})
		return
	}
	name = strings.TrimSuffix(name, "\n")
	// The prefix is before __ksymtab_, and what follows that is taken as it is.
	if name, ok := strings.CutPrefix(b.withoutPrefix(name), ksymtab); ok {
		b.symbols[name] = symbol{owner: inKernel}
	}
}

// addSymbol makes a symbol known. A later exporter replaces an earlier one.
func (b *builder) addSymbol(name string, s symbol) { b.symbols[b.withoutPrefix(name)] = s }

// withoutPrefix takes Options.SymbolPrefix off a name.
func (b *builder) withoutPrefix(name string) string {
	if b.SymbolPrefix != 0 && name != "" && name[0] == b.SymbolPrefix {
		return name[1:]
	}
	return name
}

// collectSymbols makes the symbols that modules export known, in the order of the modules.
func (b *builder) collectSymbols() {
	n := len(b.symbols)
	for _, m := range b.modules {
		n += len(m.facts.exports)
	}
	symbols := make(map[string]symbol, n)
	maps.Copy(symbols, b.symbols)
	b.symbols = symbols
	for _, m := range b.modules {
		for _, e := range m.facts.exports {
			b.addSymbol(m.facts.names.list[e.name], symbol{m.index, e.crc})
		}
	}
}

// neededName returns the name under which a symbol that a module needs is looked up.
func (b *builder) neededName(name string) string {
	return b.withoutPrefix(strings.TrimPrefix(name, "."))
}

// Values of symbol.owner besides the modules.
const (
	inKernel = -1 // the kernel exports it
	nobody   = -2 // nobody does
)

// know looks up what the names of all modules stand for, each once, and forgets what an earlier Build with the same
// cache has found out.
func (b *builder) know() {
	var all []*names
	seen := make(map[*names]bool)
	for _, m := range b.modules {
		if n := m.facts.names; n != nil && !seen[n] {
			seen[n] = true
			all = append(all, n)
		}
	}
	b.parallel(len(all), func(i int) {
		n := all[i]
		n.known = make([]symbol, len(n.list))
		for i, name := range n.list {
			s, ok := b.symbols[b.neededName(name)]
			if !ok {
				s.owner = nobody
			}
			n.known[i] = s
		}
	})
}

// resolve finds for each module the modules it needs, in the order in which its symbols first mention them.
func (b *builder) resolve() {
	b.know()
	seen := make([]int, len(b.modules)) // the last module, plus 1, that was found to need this one
	for _, m := range b.modules {
		for _, n := range m.facts.needs {
			s := m.facts.names.known[n.number()]
			if s.owner == nobody {
				if b.SystemMap != nil && !b.kernelKnown && !n.weak() && !b.failed(NoSymbols) {
					b.report(Problem{Kind: NoSymbols, Path: b.SymbolsName})
				}
				if b.kernelKnown && !n.weak() {
					b.report(Problem{Kind: Unresolved, Path: m.shown, Module: m.name,
						Symbol: m.facts.names.list[n.number()]})
				}
				continue
			}
			if b.Symvers != nil && !n.weak() && uint64(n.crc) != s.crc {
				b.report(Problem{Kind: Disagrees, Path: m.shown, Module: m.name,
					Symbol: m.facts.names.list[n.number()]})
			}
			if s.owner == inKernel {
				continue
			}
			if seen[s.owner] != m.index+1 {
				seen[s.owner] = m.index + 1
				m.deps = append(m.deps, s.owner)
				if b.Links {
					name := b.neededName(m.facts.names.list[n.number()])
					b.links = append(b.links, Link{m.shown, b.modules[s.owner].shown, name})
				}
			}
		}
	}
}

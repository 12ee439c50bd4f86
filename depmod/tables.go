package depmod

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
)

// maker makes one table: a text, or the entries of a binary one.
type maker struct {
	name string
	text func(t *binTable) []byte
	fill func(t *binTable)
	work int // how long it takes beside the others: those that take longest are begun first
}

// tables makes all tables, several at a time, and returns them in the order in which kmod writes them.
func (b *builder) tables() ([]table, error) {
	dep := sync.OnceValues(b.depTable)
	symbols := sync.OnceValue(b.exportedSymbols)
	makers := []maker{
		{name: "modules.dep", work: 3, text: func(*binTable) []byte { data, _ := dep(); return data }},
		{name: "modules.dep.bin", work: 1, fill: func(t *binTable) {
			_, lines := dep()
			t.Grow(len(b.modules))
			for _, m := range b.modules {
				t.add(m.name, lines[m.index], m.index)
			}
		}},
		{name: "modules.alias", work: 2, text: b.aliasTable},
		{name: "modules.alias.bin", work: 4, fill: b.aliases},
		{name: "modules.softdep", text: func(*binTable) []byte {
			return b.dependencyTable("# Soft", "softdep", func(f *facts) []string { return f.softdeps })
		}},
		{name: "modules.weakdep", text: func(*binTable) []byte {
			return b.dependencyTable("# Weak", "weakdep", func(f *facts) []string { return f.weakdeps })
		}},
		{name: "modules.symbols", work: 1, text: func(*binTable) []byte { return b.symbolTable(symbols()) }},
		{name: "modules.symbols.bin", work: 4, fill: func(t *binTable) {
			list := symbols()
			t.Grow(len(list))
			for _, x := range list {
				t.add(x.key, b.modules[x.owner].name, x.owner)
			}
		}},
		{name: "modules.builtin.bin", fill: b.builtins},
		{name: "modules.builtin.alias.bin", fill: b.builtinAliases},
		{name: "modules.devname", text: b.devnameTable},
	}
	// What comes of the tables depends neither on this order nor on the number of workers.
	order := make([]int, len(makers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(makers[j].work, makers[i].work) })
	files := make([]table, len(makers))
	made := make([]binTable, len(makers))
	failed := make([]error, len(makers))
	b.parallel(len(makers), func(i int) {
		i = order[i]
		m, t := &makers[i], &made[i]
		t.builder, t.name = b, m.name
		files[i].name = m.name
		if m.text != nil {
			files[i].data = m.text(t)
			return
		}
		m.fill(t)
		files[i].data, failed[i] = t.Bytes()
		t.noteDuplicates()
		t.Builder = index.Builder{} // its memory
	})
	for i, err := range failed {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", makers[i].name, err)
		}
		for _, p := range made[i].problems {
			b.report(p.Problem)
		}
	}
	return files, nil
}

// depTable makes modules.dep, and returns its lines as well.
func (b *builder) depTable() (data []byte, lines []string) {
	ends := make([]int, 0, len(b.modules))
	b.closures(func(m *module, needs []int) {
		data = append(append(data, m.path...), ':')
		for _, i := range needs {
			data = append(append(data, ' '), b.modules[i].path...)
		}
		ends = append(ends, len(data))
		data = append(data, '\n')
	})
	all, start := string(data), 0
	lines = make([]string, len(b.modules))
	for i, end := range ends {
		lines[b.modules[i].index] = all[start:end]
		start = end + 1
	}
	return data, lines
}

// aliasTable makes modules.alias.
func (b *builder) aliasTable(*binTable) []byte {
	const title, word = "# Aliases extracted from modules themselves.\n", "alias"
	size := len(title)
	for _, m := range b.modules {
		for _, a := range m.facts.aliases {
			size += len(word) + 1 + len(a) + 1 + len(m.name) + 1
		}
	}
	out := append(make([]byte, 0, size), title...)
	for _, m := range b.modules {
		for _, a := range m.facts.aliases {
			out = appendWords(out, word, a, m.name)
		}
	}
	return out
}

// aliases fills modules.alias.bin.
func (b *builder) aliases(t *binTable) {
	n := 0
	for _, m := range b.modules {
		n += len(m.facts.aliases)
	}
	t.Grow(n)
	for _, m := range b.modules {
		for _, a := range m.facts.aliases {
			t.addAlias(m.name, a, m.name, m.index)
		}
	}
}

// dependencyTable makes modules.softdep or modules.weakdep.
func (b *builder) dependencyTable(title, word string, values func(*facts) []string) []byte {
	out := []byte(title + " dependencies extracted from modules themselves.\n")
	for _, m := range b.modules {
		for _, v := range values(m.facts) {
			out = appendWords(out, word, m.name, v)
		}
	}
	return out
}

// exported is a symbol that a module exports.
type exported struct {
	key   string // in modules.symbols.bin
	owner int
}

// symbolPrefix is what the keys of symbols begin with.
const symbolPrefix = "symbol:"

// exportedSymbols returns the symbols that modules export, in the order of kmod's hash table.
func (b *builder) exportedSymbols() []exported {
	size := 0
	for name := range b.symbols {
		size += len(symbolPrefix) + len(name)
	}
	var keys strings.Builder // all in one piece of memory
	keys.Grow(size)
	var buckets [symbolBuckets][]exported
	count := 0
	for name, s := range b.symbols {
		if s.owner == inKernel {
			continue
		}
		start := keys.Len()
		keys.WriteString(symbolPrefix)
		keys.WriteString(name)
		bucket := &buckets[hash(name)%symbolBuckets]
		*bucket = append(*bucket, exported{keys.String()[start:], s.owner})
		count++
	}
	list := make([]exported, 0, count)
	for _, bucket := range buckets {
		if len(bucket) > 1 {
			sort.Slice(bucket, func(i, j int) bool { return bucket[i].key < bucket[j].key })
		}
		list = append(list, bucket...)
	}
	return list
}

// symbolTable makes modules.symbols.
func (b *builder) symbolTable(list []exported) []byte {
	const title, word = "# Aliases for symbols, used by symbol_request().\n", "alias"
	size := len(title)
	for _, x := range list {
		size += len(word) + 1 + len(x.key) + 1 + len(b.modules[x.owner].name) + 1
	}
	out := append(make([]byte, 0, size), title...)
	for _, x := range list {
		out = appendWords(out, word, x.key, b.modules[x.owner].name)
	}
	return out
}

// devnameTable makes modules.devname: the device nodes that systemd-tmpfiles makes so that opening them loads a module.
func (b *builder) devnameTable(t *binTable) []byte {
	var out []byte
	for _, m := range b.modules {
		node, kind, numbers := deviceNode(m.facts.aliases)
		switch {
		case node == "":
		case kind == "":
			t.note(Problem{Kind: DevName, Module: m.name, Text: node})
		default:
			if out == nil {
				out = []byte("# Device nodes to trigger on-demand module loading.\n")
			}
			out = appendWords(out, m.name, node, kind+numbers)
		}
	}
	return out
}

// deviceNode returns the node that a module's aliases name, its kind, c or b, and its number, MAJOR:MINOR. As in kmod,
// the search ends as soon as all is known, and of several numbers before that the last counts.
func deviceNode(aliases []string) (node, kind, numbers string) {
	for _, a := range aliases {
		if name, ok := strings.CutPrefix(a, "devname:"); ok {
			node = name
		} else if rest, ok := strings.CutPrefix(a, "char-major-"); ok {
			if n, ok := majorMinor(rest); ok {
				kind, numbers = "c", n
			}
		} else if rest, ok := strings.CutPrefix(a, "block-major-"); ok {
			if n, ok := majorMinor(rest); ok {
				kind, numbers = "b", n
			}
		}
		if node != "" && kind != "" {
			break
		}
	}
	return node, kind, numbers
}

// majorMinor reads "MAJOR-MINOR", after which anything may follow.
func majorMinor(s string) (numbers string, ok bool) {
	major, rest, ok := cutNumber(s)
	if !ok || rest == "" || rest[0] != '-' {
		return "", false
	}
	minor, _, ok := cutNumber(rest[1:])
	return major + ":" + minor, ok
}

// cutNumber cuts a decimal number of 32 bits off s, and returns it in its shortest form.
func cutNumber(s string) (number, rest string, ok bool) {
	var n uint32
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		n = 10*n + uint32(s[i]-'0')
		i++
	}
	return strconv.FormatUint(uint64(n), 10), s[i:], i > 0
}

// builtins fills modules.builtin.bin from modules.builtin.
func (b *builder) builtins(t *binTable) {
	data, ok := t.open("modules.builtin")
	if !ok {
		return
	}
	for line := range bytes.Lines(data) {
		if c := line[0] | 0x20; c < 'a' || c > 'z' {
			t.note(Problem{Kind: BuiltinLine, Text: string(line)})
			continue
		}
		t.add(alias.FromPath(string(line)), "", 0)
	}
}

// builtinAliases fills modules.builtin.alias.bin from modules.builtin.modinfo.
func (b *builder) builtinAliases(t *binTable) {
	data, ok := t.open("modules.builtin.modinfo")
	if !ok {
		return
	}
	for skip := false; ; {
		record, rest, ok := bytes.Cut(data, []byte{0})
		if !ok {
			return // what does not end in NUL is no record
		}
		data = rest
		if skip || len(record) == 0 {
			skip = false
			continue
		}
		dot := bytes.IndexByte(record[1:], '.') + 1
		if dot == 0 {
			continue
		}
		key, value, ok := bytes.Cut(record[dot+1:], []byte{'='})
		if !ok {
			skip = true // as kmod, which takes the next record for the value
			continue
		}
		if string(key) == "alias" && len(value) > 0 {
			t.addAlias(string(record[:dot]), string(value), string(record[:dot]), 0)
		}
	}
}

// appendWords appends a line of three words.
func appendWords(out []byte, x, y, z string) []byte {
	out = append(append(out, x...), ' ')
	out = append(append(out, y...), ' ')
	return append(append(out, z...), '\n')
}

// binTable is a table that is being made, with its entries if it is a binary one.
type binTable struct {
	index.Builder
	*builder
	name     string
	problems []numbered
}

// numbered is a problem that was found before the entry of that number was added.
type numbered struct {
	Problem
	number int
}

// note notes a problem with what was about to be added.
func (t *binTable) note(p Problem) {
	p.Table = t.name
	t.problems = append(t.problems, numbered{p, t.Len()})
}

// open returns a file that comes with the kernel, or notes that it is missing.
func (t *binTable) open(name string) (data []byte, ok bool) {
	data, problem := t.builder.open(name)
	if problem.Err != nil {
		t.note(problem)
	}
	return data, problem.Err == nil
}

// noteDuplicates notes entries that are there twice, each between what was noted before and after it was added.
func (t *binTable) noteDuplicates() {
	for _, d := range t.Duplicates() {
		p := Problem{Kind: Duplicate, Symbol: d.Key, Text: d.Value, Table: t.name}
		t.problems = append(t.problems, numbered{p, d.Number})
	}
	sort.SliceStable(t.problems, func(i, j int) bool { return t.problems[i].number < t.problems[j].number })
}

// add adds an entry, or notes that it cannot be.
func (t *binTable) add(key, value string, priority int) {
	if t.Builder.Add(key, value, uint32(priority)) != nil {
		t.note(Problem{Kind: BadKey, Text: key})
	}
}

// addAlias adds an alias of a module in its normal spelling.
func (t *binTable) addAlias(module, pattern, value string, priority int) {
	key, err := alias.Normalize(pattern)
	if err != nil {
		t.note(Problem{Kind: Bracket, Module: module, Text: pattern})
		return
	}
	t.add(key, value, priority)
}

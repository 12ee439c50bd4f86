package index

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// Builder makes a table. Its zero value is ready to use.
type Builder struct {
	entries []entry
	sorted  []int // the entries in the order of the file; nil if that is not known
}

// entry is one call of Add.
type entry struct {
	key, value string
	priority   uint32
}

// KeyError says that a key cannot be put into a table, whose keys are 7-bit ASCII.
type KeyError struct {
	// Key is the key.
	Key string
	// Off is the offset of the first byte in it that cannot be.
	Off int
}

// Error implements error.
func (e *KeyError) Error() string {
	return fmt.Sprintf("%q: byte %#x at offset %d is not 7-bit ASCII", e.Key, e.Key[e.Off], e.Off)
}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder { return new(Builder) }

// Grow makes room for n more entries.
func (b *Builder) Grow(n int) { b.entries = slices.Grow(b.entries, n) }

// Add adds a value to a key. The error is a *KeyError. The value must not contain a NUL byte.
func (b *Builder) Add(key, value string, priority uint32) error {
	for i := range len(key) {
		if key[i] == 0 || key[i] >= 0x80 {
			return &KeyError{key, i}
		}
	}
	b.entries = append(b.entries, entry{key, value, priority})
	b.sorted = nil
	return nil
}

// Duplicate is a value that was added to a key that had it already.
type Duplicate struct {
	// Number is the number of the call of Add, from 0; calls that failed do not count.
	Number int
	// Key and Value are its arguments.
	Key, Value string
}

// sort returns the numbers of the entries in the order of the file: by key, by priority, and of equal priorities the
// newest first.
func (b *Builder) sort() []int {
	if b.sorted == nil {
		b.sorted = make([]int, len(b.entries))
		for i := range b.sorted {
			b.sorted[i] = i
		}
		slices.SortFunc(b.sorted, func(i, j int) int {
			x, y := &b.entries[i], &b.entries[j]
			return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.priority, y.priority), cmp.Compare(j, i))
		})
	}
	return b.sorted
}

// Duplicates returns the values that were added again, in the order in which they were added.
func (b *Builder) Duplicates() []Duplicate {
	var again []Duplicate
	for rest := b.sort(); len(rest) > 0; {
		n := 1
		for n < len(rest) && b.entries[rest[n]].key == b.entries[rest[0]].key {
			n++
		}
		if n > 1 {
			again = b.duplicates(again, rest[:n])
		}
		rest = rest[n:]
	}
	sort.Slice(again, func(i, j int) bool { return again[i].Number < again[j].Number })
	return again
}

// duplicates appends the entries, all of one key, whose value an older one has.
func (b *Builder) duplicates(again []Duplicate, places []int) []Duplicate {
	oldest := make(map[string]int, len(places))
	for _, p := range places {
		value := b.entries[p].value
		if n, ok := oldest[value]; !ok || p < n {
			oldest[value] = p
		}
	}
	for _, p := range places {
		if e := &b.entries[p]; p != oldest[e.value] {
			again = append(again, Duplicate{p, e.key, e.value})
		}
	}
	return again
}

// Len returns the number of entries.
func (b *Builder) Len() int { return len(b.entries) }

// Bytes returns the file. The only error is a table that grows beyond what its offsets can express.
func (b *Builder) Bytes() ([]byte, error) {
	places := b.sort()
	size := headerSize
	for i := range b.entries {
		// the rest of a key, its place in its parent, and the value's numbers
		size += len(b.entries[i].value) + 32
	}
	w := writer{Builder: b, out: make([]byte, headerSize, size)}
	root := w.node(places, 0, true)
	binary.BigEndian.PutUint32(w.out, magic)
	binary.BigEndian.PutUint32(w.out[4:], version)
	binary.BigEndian.PutUint32(w.out[8:], root)
	if len(w.out) > offsetMask {
		return nil, fmt.Errorf("table of %d bytes; at most %d are possible", len(w.out), offsetMask)
	}
	return w.out, nil
}

// writer lays out nodes: each before its children, the children in byte order, every subtree complete.
type writer struct {
	*Builder
	out []byte
}

// node writes the node for entries, which are sorted, and whose keys are equal in the first depth bytes, and those
// below it. It returns the word for the node. The root has no prefix, even if all keys begin alike.
func (w *writer) node(places []int, depth int, root bool) (word uint32) {
	word = uint32(len(w.out))
	if !root {
		first, last := w.entries[places[0]].key, w.entries[places[len(places)-1]].key
		end := depth
		for end < len(first) && first[end] == last[end] {
			end++
		}
		if end > depth {
			word |= hasPrefix
			w.out = append(w.out, first[depth:end]...)
			w.out = append(w.out, 0)
			depth = end
		}
	}
	n := 0
	for n < len(places) && len(w.entries[places[n]].key) == depth {
		n++
	}
	values, below := places[:n], places[n:]
	table := 0
	if len(below) > 0 {
		word |= hasChildren
		first, last := w.entries[below[0]].key[depth], w.entries[below[len(below)-1]].key[depth]
		w.out = append(w.out, first, last)
		table = len(w.out) - 4*int(first)
		w.out = append(w.out, make([]byte, 4*(int(last-first)+1))...)
	}
	if len(values) > 0 {
		word |= hasValues
		w.out = binary.BigEndian.AppendUint32(w.out, uint32(len(values)))
		for _, p := range values {
			e := &w.entries[p]
			w.out = binary.BigEndian.AppendUint32(w.out, e.priority)
			w.out = append(w.out, e.value...)
			w.out = append(w.out, 0)
		}
	}
	for len(below) > 0 {
		c := w.entries[below[0]].key[depth]
		n := 1
		for n < len(below) && w.entries[below[n]].key[depth] == c {
			n++
		}
		child := w.node(below[:n], depth+1, false)
		binary.BigEndian.PutUint32(w.out[table+4*int(c):], child)
		below = below[n:]
	}
	return word
}

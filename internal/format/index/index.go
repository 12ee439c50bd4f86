// Package index reads and writes the binary tables of a module folder (modules.alias.bin and its sisters): a trie
// from keys, which may be wildcard patterns, to values with a priority.
//
// # Format
//
// All integers are big endian. The file begins with the magic number b007f457, the version 00020001 and the word of
// the root node. A word is the offset of a node in its lower 28 bits, and says in its upper bits which of the three
// parts of a node are there, in this order: a prefix, ending in NUL; the lowest and the highest byte a child is
// reached by, and a word for each in between, 0 for none; a count, and so many values: priority, text, NUL. The key of
// a node is the prefixes and child bytes on the way to it, and its own prefix.
//
// A file is never trusted: every offset is checked, and however its nodes point at each other, a search ends.
package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync"
	"unsafe"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

const (
	magic   = 0xb007f457
	version = 0x00020001

	headerSize = 12

	hasPrefix   = 1 << 31
	hasValues   = 1 << 30
	hasChildren = 1 << 29
	offsetMask  = 1<<28 - 1

	// maxDepth bounds recursion in files whose nodes form a loop. A real path has as many nodes as its key has
	// bytes at most, and keys are names.
	maxDepth = 1 << 14
)

// FormatError says where a table breaks the format.
type FormatError struct {
	// Off is the offset in the file: 0 for a wrong magic number, 4 for a wrong version.
	Off int64
	// What says what is wrong there.
	What string
	// Got and Want are the numbers found and expected for a wrong magic number or major version, else 0.
	Got, Want uint32
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("offset %d: %s", e.Off, e.What) }

// Value is one value of a key.
type Value struct {
	// Priority orders the values of a key and the results of a search, the lowest first. In the tables of depmod it
	// is the position of the module in modules.dep.
	Priority uint32
	// Value is the text: a module name, or a line of modules.dep. It shares the memory of the table.
	Value string
}

// Index is a table opened for reading. It is safe for concurrent use. The strings it gives out share its memory and
// are valid until Close.
type Index struct {
	data    []byte
	root    uint32
	mapped  bool
	scratch sync.Pool // of *search
}

// Open opens the table of that name. A file that is an *os.File is mapped into memory where the system can do that, any
// other is read. Whoever replaces a table must do so by renaming: to cut a mapped file short kills its readers.
func Open(fsys fs.FS, name string) (*Index, error) {
	x, _, err := OpenInfo(fsys, name)
	return x, err
}

// SwitchName is the name of a file that depmod makes in the folder of the tables while it replaces them, one after
// the other: who sees it may have seen tables of two sets.
const SwitchName = ".depmod-switch"

// OpenInfo is Open; info is what the open file said of itself, nil if it could not be opened.
func OpenInfo(fsys fs.FS, name string) (x *Index, info fs.FileInfo, err error) {
	f, info, err := trusted.OpenInfo(fsys, name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	x, err = open(f, name)
	return x, info, err
}

func open(f fs.File, name string) (*Index, error) {
	data, mapped, err := content(f)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	x, err := Parse(data)
	if err != nil {
		if mapped {
			trusted.Unmap(data)
		}
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	x.mapped = mapped
	return x, nil
}

// content maps or reads a file.
func content(f fs.File) (data []byte, mapped bool, err error) {
	if file, ok := f.(*os.File); ok {
		if data := trusted.Map(file, offsetMask+1); data != nil {
			return data, true, nil
		}
	}
	data, err = io.ReadAll(io.LimitReader(f, offsetMask+2))
	if err == nil && len(data) > offsetMask+1 {
		err = &FormatError{Off: offsetMask + 1, What: "table too large"}
	}
	return data, false, err
}

// Parse reads a table from memory, which must not change afterwards. Only the header is looked at: what is wrong
// further in the file makes entries unfindable, and Check tells. The error is a *FormatError.
func Parse(data []byte) (*Index, error) {
	if len(data) < headerSize {
		return nil, &FormatError{Off: int64(len(data)), What: "file ends within its header"}
	}
	if got := binary.BigEndian.Uint32(data); got != magic {
		return nil, &FormatError{0, fmt.Sprintf("magic number %08x, not %08x", got, uint32(magic)), got, magic}
	}
	if got := binary.BigEndian.Uint32(data[4:]) >> 16; got != version>>16 {
		return nil, &FormatError{4, fmt.Sprintf("major version %d, not %d", got, version>>16), got,
			version >> 16}
	}
	return &Index{data: data, root: binary.BigEndian.Uint32(data[8:])}, nil
}

// Data returns the file, which must not be changed.
func (x *Index) Data() []byte { return x.data }

// CheckEnd reports whether the file has its end: the root node, and of the nodes below each the one that lies last. A
// table that was cut has not. It takes a few microseconds; Check looks at everything. The error is a *FormatError.
func (x *Index) CheckEnd() error {
	word, at := x.root, uint32(0)
	for {
		var n node
		if err := x.read(&n, word); err != nil {
			return err
		}
		values := n.values
		for range n.count {
			_, next, err := x.value(values)
			if err != nil {
				return err
			}
			values = next
		}
		at, word = word&offsetMask, 0
		for i := range n.children {
			if w := n.word(x, i); w&offsetMask > word&offsetMask {
				word = w
			}
		}
		if word&offsetMask <= at { // no child, or one that the node is a child of
			return nil
		}
	}
}

// Close gives the memory back, if it was mapped. The Index and its strings must not be used any more.
func (x *Index) Close() error {
	data, mapped := x.data, x.mapped
	x.data, x.root, x.mapped = nil, 0, false
	if mapped {
		return trusted.Unmap(data)
	}
	return nil
}

// Lookup returns the first value of exactly that key. Wildcards on either side mean themselves.
func (x *Index) Lookup(key string) (string, bool) {
	var n node
	for word := x.root; x.read(&n, word) == nil; {
		if len(key) < len(n.prefix) || key[:len(n.prefix)] != n.prefix {
			return "", false
		}
		key = key[len(n.prefix):]
		if key == "" {
			if n.count == 0 {
				return "", false
			}
			v, _, err := x.value(n.values)
			return v.Value, err == nil
		}
		if word = n.child(x, key[0]); word&offsetMask == 0 {
			return "", false
		}
		key = key[1:]
	}
	return "", false
}

// All yields every key with every value: shorter keys before those they begin, in byte order, and the values of a key
// by priority. It stops at the first defect of the file.
func (x *Index) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		x.Walk(func(key []byte, v Value) bool { return yield(string(key), v) })
	}
}

// Walk calls visit for what All yields, until that returns false. The key is valid only during the call. A defect of
// the file is returned as a *FormatError.
func (x *Index) Walk(visit func(key []byte, v Value) bool) error {
	w := walker{x: x, seen: make([]byte, len(x.data)/8+1), visit: visit}
	if w.walk(x.root, nil, 0); w.err != nil {
		return w.err
	}
	return nil
}

// Check goes through the whole table and returns its first defect as a *FormatError, or nil if it has none.
func (x *Index) Check() error {
	return x.Walk(func([]byte, Value) bool { return true })
}

// walker goes through all nodes of a table, once each.
type walker struct {
	x     *Index
	seen  []byte // one bit for each offset
	visit func([]byte, Value) bool
	err   *FormatError
}

// walk goes through a node and those below it. It returns false to stop.
func (w *walker) walk(word uint32, key []byte, depth int) bool {
	off := word & offsetMask
	if off == 0 {
		return true
	}
	var n node
	if err := w.x.read(&n, word); err != nil {
		w.err = err
		return false
	}
	if bit := byte(1) << (off % 8); w.seen[off/8]&bit == 0 && depth < maxDepth {
		w.seen[off/8] |= bit
	} else {
		w.err = &FormatError{Off: int64(off), What: "node is reached twice"}
		return false
	}
	key = append(key, n.prefix...)
	at := n.values
	for range n.count {
		v, next, err := w.x.value(at)
		if err != nil {
			w.err = err
			return false
		}
		if !w.visit(key, v) {
			return false
		}
		at = next
	}
	for i := range n.children {
		if !w.walk(n.word(w.x, i), append(key, n.first+byte(i)), depth+1) {
			return false
		}
	}
	return true
}

// node is a node, read and checked as far as the values.
type node struct {
	prefix   string
	first    byte   // the byte of the first slot in the table of children
	children int    // slots in that table
	table    int    // offset of that table
	count    uint32 // number of values
	values   int    // offset of the first
}

// read reads the node a word points at into n.
func (x *Index) read(n *node, word uint32) (err *FormatError) {
	*n = node{}
	off := int(word & offsetMask)
	if off == 0 {
		return nil
	}
	if off < headerSize || off > len(x.data) {
		return &FormatError{Off: int64(off), What: "node outside of the file"}
	}
	if word&hasPrefix != 0 {
		if n.prefix, err = x.text(off); err != nil {
			return err
		}
		off += len(n.prefix) + 1
	}
	if word&hasChildren != 0 {
		if len(x.data)-off < 2 {
			return &FormatError{Off: int64(off), What: "file ends within a node"}
		}
		last := x.data[off+1]
		n.first = x.data[off]
		if n.first > last {
			return &FormatError{Off: int64(off), What: "first child after the last"}
		}
		n.children = int(last-n.first) + 1
		n.table = off + 2
		if (len(x.data)-n.table)/4 < n.children {
			return &FormatError{Off: int64(n.table), What: "file ends within a node"}
		}
		off = n.table + 4*n.children
	}
	if word&hasValues != 0 {
		if len(x.data)-off < 4 {
			return &FormatError{Off: int64(off), What: "file ends within a node"}
		}
		n.count = binary.BigEndian.Uint32(x.data[off:])
		n.values = off + 4
	}
	return nil
}

// word returns the word in slot i of the table of children.
func (n *node) word(x *Index, i int) uint32 { return binary.BigEndian.Uint32(x.data[n.table+4*i:]) }

// child returns the word of the child at byte c, or 0.
func (n *node) child(x *Index, c byte) uint32 {
	if i := int(c) - int(n.first); i >= 0 && i < n.children {
		return n.word(x, i)
	}
	return 0
}

// value reads a value, and returns the offset of the next.
func (x *Index) value(off int) (v Value, next int, err *FormatError) {
	if off > len(x.data) || len(x.data)-off < 4 {
		return v, 0, &FormatError{Off: int64(off), What: "file ends within the values of a node"}
	}
	v.Priority = binary.BigEndian.Uint32(x.data[off:])
	if v.Value, err = x.text(off + 4); err != nil {
		return v, 0, err
	}
	return v, off + 4 + len(v.Value) + 1, nil
}

// text reads the string at off, up to its NUL. It shares the memory of the table.
func (x *Index) text(off int) (string, *FormatError) {
	n := bytes.IndexByte(x.data[off:], 0)
	if n < 0 {
		return "", &FormatError{Off: int64(off), What: "text does not end"}
	}
	if n == 0 {
		return "", nil
	}
	return unsafe.String(&x.data[off], n), nil
}

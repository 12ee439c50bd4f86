package index

import (
	"cmp"
	"slices"
	"strings"
	"unsafe"

	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// Search appends to dst the values of all keys that match key, where the wildcards are in the keys of the table and key
// is plain text: a '*' in it is an ordinary byte. A key is compared byte by byte up to its first '*', '?' or '[', and
// as by fnmatch(3) from there.
//
// The results are ordered by priority. Of equal priorities the one found last comes first, in a search that takes at
// each byte of key the branches '*', '?' and '[' before the byte itself, and in a branch what is below a node before
// the node: this is the order in which kmod gives and loads them. A value that several keys lead to is there as often.
//
// Search does not allocate if dst is large enough.
func (x *Index) Search(dst []Value, key string) []Value {
	s, _ := x.scratch.Get().(*search)
	if s == nil {
		s = &search{positions: make([]int32, 0, 128), pattern: make([]byte, 0, 128)}
	}
	s.x, s.key, s.dst = x, key, dst
	// Each node of a sound table is met once, or twice if key contains wildcards, and takes 8 bytes and more.
	s.budget = len(x.data)/4 + 2
	s.exact(x.root)
	if found := s.dst[len(dst):]; len(found) > 1 {
		slices.Reverse(found)
		slices.SortStableFunc(found, func(a, b Value) int { return cmp.Compare(a.Priority, b.Priority) })
	}
	dst = s.dst
	s.x, s.key, s.dst = nil, "", nil
	x.scratch.Put(s)
	return dst
}

// search is the state of a Search. Index keeps it for the next one.
type search struct {
	x         *Index
	key       string
	dst       []Value
	budget    int     // how many more nodes may be read
	depth     int     // nodes above the current one
	positions []int32 // stack of the lists that states refer to
	pattern   []byte  // stack of bytes since the first bracket
}

// state says how far in the key the pattern read so far may have got: a list of positions, and if open, everything
// from the first of them on.
type state struct {
	from, n int32 // the list is positions[from:from+n], ascending
	open    bool
}

// read reads a node into n and counts it.
func (s *search) read(n *node, word uint32) bool {
	s.budget--
	return s.budget >= 0 && s.depth <= maxDepth && s.x.read(n, word) == nil
}

// add appends the values of a node to the result.
func (s *search) add(n *node) {
	at := n.values
	for range n.count {
		v, next, err := s.x.value(at)
		if err != nil {
			return
		}
		s.dst = append(s.dst, v)
		at = next
	}
}

// exact follows the key down the table, and looks into the wildcard branches beside it.
func (s *search) exact(word uint32) {
	at := 0
	for {
		var n node
		if !s.read(&n, word) {
			return
		}
		for i := range len(n.prefix) {
			switch c := n.prefix[i]; {
			case c == '*' || c == '?' || c == '[':
				s.wild(&n, i, s.at(at))
				s.positions = s.positions[:0]
				return
			case at == len(s.key) || c != s.key[at]:
				return
			}
			at++
		}
		for _, c := range [...]byte{'*', '?', '['} {
			if word := n.child(s.x, c); word&offsetMask != 0 {
				s.branch(word, c, s.at(at))
				s.positions = s.positions[:0]
			}
		}
		if at == len(s.key) {
			s.add(&n)
			return
		}
		word = n.child(s.x, s.key[at])
		if word&offsetMask == 0 {
			return
		}
		at++
		s.depth = 0
	}
}

// at returns the state of a single position.
func (s *search) at(i int) state {
	s.positions = append(s.positions, int32(i))
	return state{from: int32(len(s.positions) - 1), n: 1}
}

// step reads the pattern byte c, which is neither '[' nor '\'. A new list is pushed on s.positions; the caller pops it.
func (s *search) step(st state, c byte) (next state, alive bool) {
	list := s.positions[st.from : st.from+st.n]
	next.from = int32(len(s.positions))
	switch {
	case c == '*':
		s.positions = append(s.positions, list[0])
		next.open = true
	case c == '?' && st.open:
		if int(list[0]) == len(s.key) {
			return next, false
		}
		s.positions = append(s.positions, list[0]+1)
		next.open = true
	case st.open:
		for i := int(list[0]); ; {
			n := strings.IndexByte(s.key[i:], c)
			if n < 0 {
				break
			}
			i += n + 1
			s.positions = append(s.positions, int32(i))
		}
	default:
		for _, i := range list {
			if int(i) < len(s.key) && (c == '?' || s.key[i] == c) {
				s.positions = append(s.positions, i+1)
			}
		}
	}
	next.n = int32(len(s.positions)) - next.from
	return next, next.n > 0
}

// branch searches the child at byte c, having met a wildcard.
func (s *search) branch(word uint32, c byte, st state) {
	var n node
	top := len(s.positions)
	if c == '[' || c == '\\' {
		if s.read(&n, word) {
			s.depth++
			s.pattern = append(s.pattern, c)
			s.collect(&n, 0, st)
			s.pattern = s.pattern[:0]
			s.depth--
		}
		return
	}
	if next, alive := s.step(st, c); alive {
		if s.read(&n, word) {
			s.depth++
			s.wild(&n, 0, next)
			s.depth--
		}
	}
	s.positions = s.positions[:top]
}

// wild searches a node, from byte i of its prefix on, and those below it, having met a wildcard. It follows all the
// positions of the key that the pattern can have got to at once, and leaves a branch when there are none.
func (s *search) wild(n *node, i int, st state) {
	for ; i < len(n.prefix); i++ {
		c := n.prefix[i]
		if c == '[' || c == '\\' {
			s.collect(n, i, st)
			s.pattern = s.pattern[:0]
			return
		}
		var alive bool
		if st, alive = s.step(st, c); !alive {
			return
		}
	}
	if st.n == 1 && !st.open {
		s.narrow(n, st)
	} else {
		for i := range n.children {
			if word := n.word(s.x, i); word&offsetMask != 0 {
				s.branch(word, n.first+byte(i), st)
			}
		}
	}
	if st.open || s.positions[st.from+st.n-1] == int32(len(s.key)) {
		s.add(n)
	}
}

// narrow searches the children of a node in a state of a single position, where those that are wildcards and the next
// byte of the key are all that can match.
func (s *search) narrow(n *node, st state) {
	next := -1
	if at := int(s.positions[st.from]); at < len(s.key) {
		next = int(s.key[at])
	}
	for _, c := range [...]byte{'*', '?', '[', '\\'} {
		if next >= 0 && next <= int(c) { // the order is that of the bytes
			if next < int(c) {
				s.child(n, byte(next), st)
			}
			next = -1
		}
		s.child(n, c, st)
	}
	if next >= 0 {
		s.child(n, byte(next), st)
	}
}

// child searches the child of a node at byte c, if there is one.
func (s *search) child(n *node, c byte, st state) {
	if word := n.child(s.x, c); word&offsetMask != 0 {
		s.branch(word, c, st)
	}
}

// collect searches a node, from byte i of its prefix on, and those below it, having met a bracket or a backslash in the
// state st: the rest of the pattern is put together and matched as a whole.
func (s *search) collect(n *node, i int, st state) {
	top := len(s.pattern)
	s.pattern = append(s.pattern, n.prefix[i:]...)
	for i := range n.children {
		word := n.word(s.x, i)
		if word&offsetMask == 0 {
			continue
		}
		var child node
		if s.read(&child, word) {
			end := len(s.pattern)
			s.pattern = append(s.pattern, n.first+byte(i))
			s.depth++
			s.collect(&child, 0, st)
			s.depth--
			s.pattern = s.pattern[:end]
		}
	}
	if n.count > 0 && s.matches(st) {
		s.add(n)
	}
	s.pattern = s.pattern[:top]
}

// matches reports whether s.pattern matches the rest of the key from one of the positions of st.
func (s *search) matches(st state) bool {
	list := s.positions[st.from : st.from+st.n]
	if !st.open {
		for _, i := range list {
			if glob.Match(view(s.pattern), s.key[i:]) {
				return true
			}
		}
		return false
	}
	for i := int(list[0]); i <= len(s.key); i++ {
		if glob.Match(view(s.pattern), s.key[i:]) {
			return true
		}
	}
	return false
}

// view is string(b) without the copy, for callees that do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Package ere matches extended regular expressions as regex(7) describes them, for depmod.d(5), which names kernel
// releases by them. It only answers whether there is a match, in time bounded by len(pattern)·len(s).
//
// Package regexp does the same and more, but costs a small program a fifth of its size.
package ere

import (
	"fmt"
	"strings"
)

// Regexp is a compiled expression. It is safe for concurrent use.
type Regexp struct {
	prog []inst
}

// SyntaxError says where an expression is wrong.
type SyntaxError struct {
	// Expr is the expression, Off the offset in it.
	Expr string
	Off  int
	// What says what is wrong there.
	What string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q: %s at offset %d", e.Expr, e.What, e.Off)
}

// inst is one instruction of a nondeterministic machine.
type inst struct {
	op   op
	set  *[4]uint64 // opSet: the bytes
	x, y int        // where to go on; opSplit: both
}

type op byte

const (
	opMatch op = iota
	opSet      // consume a byte of the set
	opSplit
	opBegin // only at the beginning of the text
	opEnd   // only at the end of the text
)

// Limits on what an expression may be: enough for any name of a release, and little enough for a hostile one.
const (
	maxProg   = 1 << 14
	maxRepeat = 255 // RE_DUP_MAX
	maxDepth  = 100
)

// Compile reads an expression. The error is a *SyntaxError.
func Compile(expr string) (*Regexp, error) {
	p := &parser{expr: expr}
	n, err := p.alternatives(0)
	if err == nil && p.off < len(expr) {
		err = p.errorf("')' without '('")
	}
	if err != nil {
		return nil, err
	}
	c := compiler{prog: []inst{{op: opMatch}}}
	start := c.compile(n, 0)
	if len(c.prog) > maxProg {
		p.off = 0
		return nil, p.errorf("too large")
	}
	// The entry is the last instruction.
	c.prog = append(c.prog, inst{op: opSplit, x: start, y: start})
	return &Regexp{c.prog}, nil
}

// Match reports whether the expression matches some part of s.
func (re *Regexp) Match(s string) bool {
	m := machine{prog: re.prog, mark: make([]int, len(re.prog))}
	var now, next []int
	for i := 0; ; i++ {
		m.step = i + 1
		next = next[:0]
		for _, pc := range now {
			if in := &re.prog[pc]; i > 0 && in.set[s[i-1]/64]&(1<<(s[i-1]%64)) != 0 {
				next = m.follow(next, in.x, i, len(s))
			}
		}
		next = m.follow(next, len(re.prog)-1, i, len(s))
		if m.matched {
			return true
		}
		if i == len(s) {
			return false
		}
		now, next = next, now
	}
}

// machine runs all threads of a program at once.
type machine struct {
	prog    []inst
	mark    []int // the step at which an instruction was last reached
	step    int
	matched bool
}

// follow adds the instructions that consume a byte and are reached from pc without one.
func (m *machine) follow(list []int, pc, at, n int) []int {
	for {
		if m.mark[pc] == m.step {
			return list
		}
		m.mark[pc] = m.step
		switch in := &m.prog[pc]; {
		case in.op == opMatch:
			m.matched = true
			return list
		case in.op == opSet:
			return append(list, pc)
		case in.op == opBegin && at > 0, in.op == opEnd && at < n:
			return list
		default:
			if in.op == opSplit {
				list = m.follow(list, in.y, at, n)
			}
			pc = in.x
		}
	}
}

// node is a part of an expression: a set of bytes, an anchor, or parts joined together.
type node struct {
	op       byte // 's' set, '^', '$', '.' sequence, '|' alternatives, '*' repetition of sub[0]
	set      [4]uint64
	sub      []*node
	min, max int // of a repetition; max < 0: no end
}

type compiler struct{ prog []inst }

func (c *compiler) add(in inst) int {
	if len(c.prog) <= maxProg {
		c.prog = append(c.prog, in)
	}
	return len(c.prog) - 1
}

// compile adds the instructions for n, which go on at next, and returns the first of them.
func (c *compiler) compile(n *node, next int) int {
	if len(c.prog) > maxProg {
		return next
	}
	switch n.op {
	case 's':
		return c.add(inst{op: opSet, set: &n.set, x: next})
	case '^':
		return c.add(inst{op: opBegin, x: next})
	case '$':
		return c.add(inst{op: opEnd, x: next})
	case '|':
		pc := c.compile(n.sub[0], next)
		for _, sub := range n.sub[1:] {
			pc = c.add(inst{op: opSplit, x: pc, y: c.compile(sub, next)})
		}
		return pc
	case '*':
		if n.max < 0 {
			loop := c.add(inst{op: opSplit, x: next})
			body := c.compile(n.sub[0], loop)
			c.prog[loop].y = body
			next = loop
		}
		for range n.max - n.min {
			next = c.add(inst{op: opSplit, x: next, y: c.compile(n.sub[0], next)})
		}
		for range n.min {
			next = c.compile(n.sub[0], next)
		}
		return next
	}
	for i := len(n.sub) - 1; i >= 0; i-- {
		next = c.compile(n.sub[i], next)
	}
	return next
}

type parser struct {
	expr string
	off  int
}

func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{p.expr, p.off, fmt.Sprintf(format, args...)}
}

func (p *parser) more() bool { return p.off < len(p.expr) }

// accept goes over c if it is next.
func (p *parser) accept(c byte) bool {
	if p.more() && p.expr[p.off] == c {
		p.off++
		return true
	}
	return false
}

func (p *parser) alternatives(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, p.errorf("too many '('")
	}
	n := &node{op: '|'}
	for {
		sub, err := p.sequence(depth)
		if err != nil {
			return nil, err
		}
		n.sub = append(n.sub, sub)
		if !p.accept('|') {
			return n, nil
		}
	}
}

func (p *parser) sequence(depth int) (*node, error) {
	n := &node{op: '.'}
	for p.more() && p.expr[p.off] != '|' && p.expr[p.off] != ')' {
		sub, err := p.atom(depth)
		if err != nil {
			return nil, err
		}
		for {
			again, err := p.repeat(sub)
			if err != nil {
				return nil, err
			}
			if again == nil {
				break
			}
			sub = again
		}
		n.sub = append(n.sub, sub)
	}
	return n, nil
}

// repeat wraps n in the repetition that follows it, or returns nil.
func (p *parser) repeat(n *node) (*node, error) {
	r := &node{op: '*', sub: []*node{n}, max: -1}
	switch {
	case p.accept('*'):
	case p.accept('+'):
		r.min = 1
	case p.accept('?'):
		r.max = 1
	case p.more() && p.expr[p.off] == '{' && p.off+1 < len(p.expr) && isDigit(p.expr[p.off+1]):
		p.off++
		r.min = p.number()
		r.max = r.min
		if p.accept(',') {
			r.max = -1
			if p.more() && isDigit(p.expr[p.off]) {
				r.max = p.number()
			}
		}
		if !p.accept('}') {
			return nil, p.errorf("'{' without '}'")
		}
		if r.min > maxRepeat || r.max > maxRepeat || r.max >= 0 && r.max < r.min {
			return nil, p.errorf("bad repetition")
		}
	default:
		return nil, nil
	}
	return r, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number reads a number, which is cut off at maxRepeat+1.
func (p *parser) number() (n int) {
	for p.more() && isDigit(p.expr[p.off]) {
		n = min(10*n+int(p.expr[p.off]-'0'), maxRepeat+1)
		p.off++
	}
	return n
}

func (n *node) add(c byte) { n.set[c/64] |= 1 << (c % 64) }

func (p *parser) atom(depth int) (*node, error) {
	c := p.expr[p.off]
	p.off++
	n := &node{op: 's'}
	switch c {
	case '^', '$':
		n.op = c
	case '.':
		n.set = [4]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	case '(':
		sub, err := p.alternatives(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.accept(')') {
			return nil, p.errorf("'(' without ')'")
		}
		return sub, nil
	case '[':
		return n, p.bracket(n)
	case '*', '+', '?':
		if c != '*' {
			p.off--
			return nil, p.errorf("nothing to repeat")
		}
		n.add(c)
	case '\\':
		if !p.more() {
			return nil, p.errorf("trailing backslash")
		}
		n.add(p.expr[p.off])
		p.off++
	default:
		n.add(c)
	}
	return n, nil
}

// bracket reads the rest of a bracket expression. A backslash is an ordinary byte in it.
func (p *parser) bracket(n *node) error {
	negate := p.accept('^')
	for first := true; first || !p.accept(']'); first = false {
		if !p.more() {
			return p.errorf("'[' without ']'")
		}
		if strings.HasPrefix(p.expr[p.off:], "[:") {
			name, _, ok := strings.Cut(p.expr[p.off+2:], ":]")
			in := class(name)
			if !ok || in == nil {
				return p.errorf("unknown character class")
			}
			for c := range 256 {
				if in(byte(c)) {
					n.add(byte(c))
				}
			}
			p.off += len(name) + len("[::]")
			continue
		}
		lo := p.expr[p.off]
		hi := lo
		p.off++
		if p.off+1 < len(p.expr) && p.expr[p.off] == '-' && p.expr[p.off+1] != ']' {
			hi = p.expr[p.off+1]
			p.off += 2
		}
		if hi < lo {
			return p.errorf("range ends before it begins")
		}
		for c := int(lo); c <= int(hi); c++ {
			n.add(byte(c))
		}
	}
	if negate {
		for i := range n.set {
			n.set[i] = ^n.set[i]
		}
	}
	return nil
}

// class returns the character class of that name in the C locale, or nil.
func class(name string) func(c byte) bool {
	lower := func(c byte) bool { return 'a' <= c && c <= 'z' }
	upper := func(c byte) bool { return 'A' <= c && c <= 'Z' }
	switch name {
	case "lower":
		return lower
	case "upper":
		return upper
	case "alpha":
		return func(c byte) bool { return lower(c) || upper(c) }
	case "digit":
		return isDigit
	case "alnum":
		return func(c byte) bool { return lower(c) || upper(c) || isDigit(c) }
	case "xdigit":
		return func(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
	case "blank":
		return func(c byte) bool { return c == ' ' || c == '\t' }
	case "space":
		return func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
	case "punct":
		return func(c byte) bool { return '!' <= c && c <= '~' && !lower(c) && !upper(c) && !isDigit(c) }
	}
	return nil
}

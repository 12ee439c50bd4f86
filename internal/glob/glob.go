// Package glob matches shell wildcards the way module aliases use them: fnmatch(3) with no flags in the C locale.
//
// It differs from path.Match where it matters for aliases: '*' and '?' match '/' and a leading '.', brackets know
// "[!…]" and "[[:digit:]]", and a broken pattern is an ordinary pattern that may or may not match, never an error.
package glob

import "strings"

// Match reports whether the whole of s matches pattern. Both are bytes, not runes.
//
//   - any sequence, also an empty one
//     ?      any one byte
//     [ab]   one of the listed bytes; ranges a-z; ! or ^ in front negates; [:digit:] and its like; \] is a plain ]
//     \c     the byte c itself; a backslash at the end matches nothing
//
// A '[' that is never closed stands for itself. The time is bounded by len(pattern)·len(s): only the last star is
// ever tried again, because a match that an earlier star could give is found by the later one too.
func Match(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // the position after the last '*' in pattern, and where in s it was last tried
	for {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, mark = p, i
			continue
		}
		if i == len(s) {
			return p == len(pattern)
		}
		if p < len(pattern) {
			if n := one(pattern[p:], s[i]); n > 0 {
				p, i = p+n, i+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		if star == len(pattern) {
			return true
		}
		mark++
		if c := pattern[star]; c != '?' && c != '[' && c != '\\' {
			n := strings.IndexByte(s[mark:], c)
			if n < 0 {
				return false
			}
			mark += n
		}
		p, i = star, mark
	}
}

// one matches the single byte c against the element that pattern begins with, which is not a '*'. It returns the
// length of the element, or 0 if c does not match it.
func one(pattern string, c byte) int {
	switch pattern[0] {
	case '?':
		return 1
	case '\\':
		if len(pattern) > 1 && pattern[1] == c {
			return 2
		}
		return 0
	case '[':
		return bracket(pattern, c)
	}
	if pattern[0] == c {
		return 1
	}
	return 0
}

// bracket is one for a pattern that begins with '['.
func bracket(pattern string, c byte) int {
	i := 1
	negate := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negate {
		i++
	}
	found := false
	for first := true; ; first = false {
		if i >= len(pattern) {
			if c == '[' {
				return 1
			}
			return 0
		}
		if pattern[i] == ']' && !first {
			break
		}
		if name, ok := class(pattern[i:]); ok {
			in, known := inClass(name, c)
			if !known {
				return 0
			}
			found = found || in
			i += len(name) + len("[::]")
			continue
		}
		lo, n := element(pattern[i:])
		if n == 0 {
			return 0
		}
		i += n
		hi := lo
		if len(pattern)-i > 1 && pattern[i] == '-' && pattern[i+1] != ']' {
			hi, n = element(pattern[i+1:])
			if n == 0 {
				return 0
			}
			i += 1 + n
		}
		found = found || lo <= c && c <= hi
	}
	if found == negate {
		return 0
	}
	return i + 1
}

// element reads one byte out of a bracket: as it is, after a backslash, or as [.c.] or [=c=]. Its second result is
// the length of what it read, 0 when there is nothing such (a backslash at the end, a name of more than one byte).
func element(s string) (c byte, n int) {
	if s[0] == '\\' {
		if len(s) < 2 {
			return 0, 0
		}
		return s[1], 2
	}
	if len(s) > 1 && s[0] == '[' && (s[1] == '.' || s[1] == '=') {
		end := strings.Index(s[2:], s[1:2]+"]")
		switch {
		case end == 1:
			return s[2], len("[.c.]")
		case s[1] == '.':
			return 0, 0
		}
	}
	return s[0], 1
}

// class reports whether s begins with a [:name:] and returns the name.
func class(s string) (name string, ok bool) {
	if len(s) < 2 || s[0] != '[' || s[1] != ':' {
		return "", false
	}
	for i := 2; i < len(s); i++ {
		if s[i] == ':' && i+1 < len(s) && s[i+1] == ']' {
			return s[2:i], true
		}
		if s[i] < 'a' || s[i] > 'z' {
			break
		}
	}
	return "", false
}

// inClass reports whether c is in the character class of the C locale, and whether there is a class of that name.
func inClass(name string, c byte) (in, known bool) {
	lower, upper := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z'
	digit := '0' <= c && c <= '9'
	switch name {
	case "lower":
		return lower, true
	case "upper":
		return upper, true
	case "alpha":
		return lower || upper, true
	case "digit":
		return digit, true
	case "alnum":
		return lower || upper || digit, true
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F', true
	case "blank":
		return c == ' ' || c == '\t', true
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r', true
	case "cntrl":
		return c < ' ' || c == 0x7f, true
	case "graph":
		return '!' <= c && c <= '~', true
	case "print":
		return ' ' <= c && c <= '~', true
	case "punct":
		return '!' <= c && c <= '~' && !lower && !upper && !digit, true
	}
	return false, false
}

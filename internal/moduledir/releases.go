package moduledir

import (
	"errors"
	"regexp"
	"strings"
)

// maxExpr bounds an expression for releases. Package regexp repeats a part up to 1000 times, so this bounds memory too.
const maxExpr = 256

// Why an expression cannot be used.
var (
	errExprSize   = errors.New("the expression is too long")
	errExprRepeat = errors.New("nothing to repeat")
	errExprWord   = errors.New("back references and word boundaries are not supported")
)

// matches reports whether a release is among those that expr, '*' or an extended regular expression, names. A broken
// expression names none.
func matches(expr, release string) bool {
	if expr == "*" {
		return true
	}
	re, err := compileReleases(expr)
	return err == nil && re.MatchString(release)
}

// compileReleases compiles an extended regular expression as glibc reads it. docs/differences.md has what stays
// different.
func compileReleases(expr string) (*regexp.Regexp, error) {
	if len(expr) > maxExpr {
		return nil, errExprSize
	}
	text, err := translate(expr)
	if err != nil {
		return nil, err
	}
	return regexp.CompilePOSIX(text)
}

// translate rewrites what package regexp reads differently than glibc: a backslash, which is an ordinary
// character between brackets and never begins a control character; ")" without "("; "{,n}"; "^" and "$" repeated.
func translate(expr string) (string, error) {
	var b strings.Builder
	open, anchor := 0, false
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		if anchor && strings.IndexByte("*+?{", c) >= 0 {
			return "", errExprRepeat
		}
		anchor = c == '^' || c == '$'
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			text, err := escape(expr[i])
			if err != nil {
				return "", err
			}
			b.WriteString(text)
		case c == '[':
			end := i + bracket(expr[i:])
			b.WriteString(strings.ReplaceAll(expr[i:end], `\`, `\\`))
			i = end - 1
		case c == ')' && open == 0:
			b.WriteString(`\)`)
		case strings.HasPrefix(expr[i:], "{,"):
			b.WriteString("{0")
		default:
			if c == '(' {
				open++
			} else if c == ')' {
				open--
			}
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// escape returns the translation of a backslash and c, outside brackets.
func escape(c byte) (string, error) {
	switch {
	case c == 'w':
		return "[[:alnum:]_]", nil
	case c == 'W':
		return "[^[:alnum:]_]", nil
	case c == 's':
		return "[[:space:]]", nil
	case c == 'S':
		return "[^[:space:]]", nil
	case '0' < c && c <= '9', strings.IndexByte("bB<>`'", c) >= 0:
		return "", errExprWord
	}
	if c == '0' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c >= 0x80 {
		return string([]byte{c}), nil
	}
	return `\` + string(c), nil
}

// bracket returns the length of the bracket expression that s begins with; all of s if it has no end.
func bracket(s string) int {
	i := len("[")
	if strings.HasPrefix(s[i:], "^") {
		i++
	}
	for first := true; i < len(s); first = false {
		if n := strings.Index(s[i:], ":]"); n > 0 && strings.HasPrefix(s[i:], "[:") {
			i += n + len(":]")
			continue
		}
		i++
		if s[i-1] == ']' && !first {
			break
		}
	}
	return i
}

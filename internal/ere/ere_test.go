package ere_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/ere"
	"github.com/gomodprobe/gomodprobe/internal/fuzzseed"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		expr, s string
		want    bool
	}{
		{"", "", true},
		{"", "x", true},
		{"6.1", "6.1.0-50-amd64", true},
		{"^6.1$", "6.1.0", false},
		{`^6\.1\.`, "6.1.0", true},
		{`^6\.1\.`, "6x1.0", false},
		{"^(5.10|6.1)", "6.1.0", true},
		{"^(5.10|6.12)", "6.1.0", false},
		{"cloud|amd64$", "6.1.0-amd64", true},
		{"[[:digit:]]+-[a-z]*$", "6.1.0-rt", true},
		{"[^0-9]", "123", false},
		{"[]-]", "-", true},
		{`[\.]`, "\\", true},
		{"a{2,3}$", "baaa", true},
		{"^a{2}$", "aaa", false},
		{"^a{2,}$", "aaa", true},
		{"^(ab)*$", "ababab", true},
		{"^(a*)*$", strings.Repeat("a", 1000) + "b", false},
		{"x?y+", "yy", true},
		{"*a", "*a", true},
		{"a**", "", true},
		{"()", "", true},
		{"a{", "a{", true},
	} {
		re, err := ere.Compile(tt.expr)
		if err != nil {
			t.Errorf("Compile(%q): %v", tt.expr, err)
		} else if got := re.Match(tt.s); got != tt.want {
			t.Errorf("%q matches %.20q: %t; want %t", tt.expr, tt.s, got, tt.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, expr := range []string{"(", "a)", "[", "[a", "[[:x:]]", "[z-a]", `\`, "+", "a{2", "a{3,2}", "a{256}", strings.Repeat("(", 200), "((((a{255}){255}){255}){255})"} {
		_, err := ere.Compile(expr)
		var e *ere.SyntaxError
		if !errors.As(err, &e) || e.Off > len(expr) {
			t.Errorf("Compile(%.20q) = %v; want a SyntaxError", expr, err)
		}
	}
}

// FuzzMatch compares with package regexp, where it takes the same expression as POSIX.
func FuzzMatch(f *testing.F) {
	fuzzseed.Add(f, "^6.1(-[a-z]+)?$", "6.1-amd")
	fuzzseed.Add(f, "a{1,2}|[^b]+", "cb")
	f.Fuzz(func(t *testing.T, expr, s string) {
		if len(expr) > 100 || len(s) > 100 {
			return
		}
		re, err := ere.Compile(expr)
		if err != nil {
			return
		}
		got := re.Match(s)
		// What the two understand differently: backslashes, repetitions of nothing and of repetitions, and text that is not ASCII.
		if strings.ContainsAny(expr, "\\{") || !ascii(expr) || !ascii(s) {
			return
		}
		if twin, err := regexp.CompilePOSIX(expr); err == nil && twin.MatchString(s) != got {
			t.Errorf("%q matches %q: %t; regexp says %t", expr, s, got, !got)
		}
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < ' ' {
			return false
		}
	}
	return true
}

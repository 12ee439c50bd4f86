package glob_test

import (
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// The wanted answers are those of glibc's fnmatch(pattern, s, 0) in the C locale.
var matchTests = []struct {
	pattern, s string
	want       bool
}{
	{"", "", true},
	{"", "a", false},
	{"a", "", false},
	{"*", "", true},
	{"**", "", true},
	{"*?", "", false},
	{"*", "/.x", true},
	{"?", "/", true},
	{"?", "\xe5", true},
	{"a*b*c", "a/b/c", true},
	{"a*b*c", "abcbcc", true},
	{"a*b*c", "abcbcd", false},
	{"*ab", "aab", true},
	{"*ab?", "xabab", false},
	{"*ab?", "xababx", true},
	{"pci:v00008086d*sv*sd*bc02sc00i*", "pci:v00008086d00001533sv00sd01bc02sc00i00", true},
	{"dmi:bvnIBM:*:pnIBM3850M2/x3950M2-*", "dmi:bvnIBM:x:pnIBM3850M2/x3950M2-[1]:", true},
	{"[abc]", "b", true},
	{"[abc]", "d", false},
	{"[a-c-e]", "d", false},
	{"[a-c-e]", "-", true},
	{"[a-]", "-", true},
	{"[z-a]", "m", false},
	{"[--0]", ".", true},
	{"[!a]", "b", true},
	{"[!a]", "a", false},
	{"[^a]", "^", true},
	{"[]a]", "]", true},
	{"[!]a]", "b", true},
	{"[!]a]", "]", false},
	{`[\]]`, "]", true},
	{`[a\-z]`, "-", true},
	{`[a\-z]`, "m", false},
	{`[a-\z]`, "m", true},
	{"[\xe0-\xff]", "\xe5", true},
	{"[[:digit:]]", "5", true},
	{"[[:digit:]]", "x", false},
	{"[[:alpha:]-z]", "-", true},
	{"[[:ALPHA:]]", "a", false},
	{"[[:foo:]]", "f", false},
	{"[[:foo:]x]", "x", false},
	{"[[:digit]", ":", true},
	{"[[:digit]", "[", true},
	{"[[:]", ":", true},
	{"[[:]]", "[]", true},
	{"[[.a.]]", "a", true},
	{"[[=a=]]", "a", true},
	{"[[.a.]-c]", "b", true},
	{"[[.-.]]", "-", true},
	{"[[.ab.]]", "ab", false},
	{"[[.space.]]", " ", false},
	{"[", "[", true},
	{"[]", "[]", true},
	{"[!]", "[!]", true},
	{"[abc", "[abc", true},
	{"[a", "a", false},
	{"*[a", "xx[a", true},
	{`[a\]`, "[a]", true},
	{`[a\`, `[a\`, false},
	{`a\`, "a", false},
	{`a\`, `a\`, false},
	{`\*`, "*", true},
	{`\*`, "a", false},
	{`\a`, "a", true},
}

func TestMatch(t *testing.T) {
	for _, tt := range matchTests {
		if got := glob.Match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("Match(%q, %q) = %t; want %t", tt.pattern, tt.s, got, tt.want)
		}
	}
}

// TestMatchBounded would not end if every star were tried again for every other.
func TestMatchBounded(t *testing.T) {
	if glob.Match(strings.Repeat("*a", 2000)+"b", strings.Repeat("a", 4000)) {
		t.Error("Match = true; want false")
	}
}

// twin says the same as Match for patterns without brackets, in the words of the definition and in exponential time.
func twin(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*':
		return twin(p[1:], s) || s != "" && twin(p, s[1:])
	case s == "":
		return false
	case p[0] == '\\':
		return len(p) > 1 && p[1] == s[0] && twin(p[2:], s[1:])
	}
	return (p[0] == '?' || p[0] == s[0]) && twin(p[1:], s[1:])
}

func FuzzMatch(f *testing.F) {
	for _, tt := range matchTests {
		fuzzseed.Add(f, tt.pattern, tt.s)
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		got := glob.Match(p, s)
		if got && !glob.Match("*"+p, "x"+s) {
			t.Errorf("Match(%q, %q), but a star in front of both no longer matches", p, s)
		}
		if !glob.Match(quote(s), s) {
			t.Errorf("Match(%q, %q) = false; a quoted text matches itself", quote(s), s)
		}
		if strings.Count(p, "*") > 4 || len(p) > 24 || len(s) > 24 || strings.Contains(p, "[") {
			return
		}
		if want := twin(p, s); got != want {
			t.Errorf("Match(%q, %q) = %t; the definition says %t", p, s, got, want)
		}
	})
}

func quote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte('\\')
		b.WriteByte(s[i])
	}
	return b.String()
}

func BenchmarkMatch(b *testing.B) {
	const p, s = "pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01"
	b.ReportAllocs()
	for b.Loop() {
		if !glob.Match(p, s) {
			b.Fatal("no match")
		}
	}
}

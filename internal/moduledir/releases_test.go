package moduledir_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// TestReleases: what glibc's regcomp answers, and in the last rows what docs/differences.md says we do instead.
func TestReleases(t *testing.T) {
	for _, tt := range []struct {
		expr, release string
		want          bool
	}{
		{"*", "6.1.0", true},
		{"", "6.1.0", true},
		{"6.1", "6.1.0-50-amd64", true},
		{"^6.1$", "6.1.0", false},
		{`^6\.1\.`, "6.1.0", true},
		{`^6\.1\.`, "6x1.0", false},
		{"^(5.10|6.1)", "6.1.0", true},
		{"^(5.10|6.12)", "6.1.0", false},
		{"cloud|amd64$", "6.1.0-amd64", true},
		{"[[:digit:]]+-[a-z]*$", "6.1.0-rt", true},
		{"^[^0-9]*$", "123", false},
		{"[]-]", "-", true},
		{"[[:digit:].]$", "6.", true},
		{"a{2,3}$", "baaa", true},
		{"^a{2}$", "aaa", false},
		{"^a{,2}$", "aaa", false},
		{"^a{,2}$", "aa", true},
		{"^(a*)*$", strings.Repeat("a", 1000) + "b", false},
		{"x?y+", "yy", true},
		{"a**", "", true},
		{"()", "", true},
		{`[\.]`, `\`, true},
		{`6[\.]1`, "6.1", true},
		{`^[\d]$`, "6", false},
		{`[\]]`, "]", false},
		{"6)", "6)", true},
		{"(6)1", "61", true},
		{`\(6\)1`, "(6)1", true},
		{`^6\.\w+$`, "6.1_a", true},
		{`\W`, "6_a", false},
		{`\s`, "6 a", true},
		{`^\S*$`, "6 a", false},
		{`\d`, "6", false},
		{`\d`, "d", true},
		{`6\x31`, "61", false},
		{"*a", "a", false},
		{"+", "+", false},
		{"^*", "6", false},
		{"$?", "6", false},
		{"(", "(", false},
		{"[", "[", false},
		{"[[:x:]]", "x", false},
		{"[z-a]", "b", false},
		{`\`, `\`, false},
		{"a{3,2}", "aaa", false},

		{`(6)\1`, "66", false},
		{`\<6`, "6", false},
		{"6{1001}", strings.Repeat("6", 1001), false},
		{"a{", "a{", true},
		{"[[.6.]]", "6", false},
		{strings.Repeat("6", 257), strings.Repeat("6", 257), false},
	} {
		if got := moduledir.Matches(tt.expr, tt.release); got != tt.want {
			t.Errorf("%.40q matches %.20q: %t; want %t", tt.expr, tt.release, got, tt.want)
		}
	}
}

// TestReleasesBounded: no expression takes more than some megabytes.
func TestReleasesBounded(t *testing.T) {
	for _, expr := range []string{
		"(" + strings.Repeat("a", 240) + "){1000}b",
		strings.Repeat("(", 60) + "a" + strings.Repeat("{2})", 45),
		"((((a{255}){255}){255}){255})",
		strings.Repeat("(", 256),
		strings.Repeat("[^a]", 60) + "{1000}",
		strings.Repeat("[^a]{99}", 32),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		moduledir.Matches(expr, strings.Repeat("a", 64))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("%.40q takes %d bytes", expr, used)
		} else {
			t.Logf("%.40q: %d bytes", expr, used)
		}
	}
}

// FuzzReleases: no expression makes a panic, and what has no special character in it matches itself.
func FuzzReleases(f *testing.F) {
	fuzzseed.Add(f, "^6.1(-[a-z]+)?$", "6.1-amd")
	fuzzseed.Add(f, `a{,2}|[^\]b]+)`, `c\w`)
	f.Fuzz(func(t *testing.T, expr, release string) {
		got := moduledir.Matches(expr, release)
		plain := strings.Trim(expr, "-_0123456789abcdefghijklmnopqrstuvwxyz") == "" && len(expr) <= 256
		if plain && got != strings.Contains(release, expr) {
			t.Errorf("%q matches %q: %t", expr, release, got)
		}
	})
}

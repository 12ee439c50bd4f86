package modprobe

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

func TestSplitWords(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"-q", []string{"-q"}},
		{" -q  -b\t-C 'a b' ", []string{"-q", "-b", "-C", "a b"}},
		{`"x y"z ''`, []string{"x yz", ""}},
		{"-S 'never closed", []string{"-S", "'never closed"}},
		{`a"b 'c' d`, []string{`a"b 'c' d`}},
	} {
		if got := splitWords(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("splitWords(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzSplitWords checks that no byte but blanks and quotes is lost, and that words that were split can be joined again.
func FuzzSplitWords(f *testing.F) {
	fuzzseed.Add(f, " -q  -C 'a b' \"c\"")
	f.Fuzz(func(t *testing.T, text string) {
		drop := strings.NewReplacer(" ", "", "\t", "", "\n", "", "'", "", `"`, "")
		words := splitWords(text)
		if got, want := drop.Replace(strings.Join(words, "")), drop.Replace(text); got != want {
			t.Fatalf("%q has become %q", text, words)
		}
		if strings.ContainsAny(text, "'\"") {
			return
		}
		if again := splitWords(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Fatalf("%q is split into %q, and that into %q", text, words, again)
		}
	})
}

func TestMilliseconds(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"5", 5 * time.Millisecond, true},
		{"0x10", 16 * time.Millisecond, true},
		{"010", 8 * time.Millisecond, true},
		{" +3", 3 * time.Millisecond, true},
		{"-1", 0, true},
		{"99999999999999999999", 24 * time.Hour, true},
		{"", 0, false},
		{"5x", 0, false},
		{"1_0", 0, false},
	} {
		if got, ok := milliseconds(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("milliseconds(%q) = %v, %v; want %v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

// TestRecursion has an install command that runs modprobe for its own module.
func TestRecursion(t *testing.T) {
	depth := 0
	var env map[string]string
	r := &modprobeRun{environ: []string{"-C", "a b", "-q"}}
	r.Logger = cli.NewLogger(&cli.Env{
		Args:      []string{"modprobe"},
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Shell: func(_ string, variables []string) error {
			env = make(map[string]string)
			for _, v := range variables {
				name, value, _ := strings.Cut(v, "=")
				env[name] = value
			}
			depth++
			return r.shell(t.Context(), "modprobe m", "m")
		},
	}, cli.LevelWarning)
	err := r.shell(t.Context(), "modprobe m", "m")
	if !errors.Is(err, modprobe.ErrRecursion) || depth > 10 {
		t.Errorf("after %d commands: %v; want ErrRecursion", depth, err)
	}
	if got := env["MODPROBE_OPTIONS"]; !strings.HasPrefix(got, "-C 'a b' -q") || env["MODPROBE_MODULE"] != "m" {
		t.Errorf("environment %q", env)
	}
}

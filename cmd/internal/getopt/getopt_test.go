package getopt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

var options = []getopt.Option{
	{Long: "all", Short: 'a', ID: 'a'},
	{Long: "remove", Short: 'r', ID: 'r'},
	{Long: "remove-dependencies", ID: 'h'},
	{Long: "remove-holders", ID: 'h'},
	{Long: "wait", Short: 'w', Arg: getopt.Required, ID: 'w'},
	{Long: "resolve-alias", Short: 'R', ID: 'R'},
	{Long: "dirname", Short: 'd', Arg: getopt.Required, ID: 'd'},
	{Long: "dry-run", Short: 'n', ID: 'n'},
	{Long: "quiet", Short: 'q', ID: 'q'},
	{Long: "verbose", Short: 'v', ID: 'v'},
	{Long: "root", Arg: getopt.Required, ID: 'O', Exact: true},
	{Long: "quiet-please", ID: 'P', Exact: true},
	{Short: 'Z', ID: 'Z'},
}

// parse renders what the parser found: "a d=DIR | operand operand", errors in braces.
func parse(order getopt.Order, args []string) string {
	p := getopt.New(options, order, args)
	var out []string
	for {
		o, value, err := p.Next()
		switch {
		case err != nil:
			out = append(out, "{"+err.Error()+"}")
			continue
		case o == nil:
			return strings.Join(append(append(out, "|"), p.Operands()...), " ")
		case o.Arg == getopt.Required:
			out = append(out, string(rune(o.ID))+"="+value)
		default:
			out = append(out, string(rune(o.ID)))
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "|"},
		{"x", "| x"},
		{"-q -- net-pf-9", "q | net-pf-9"},
		{"x -q", "q | x"},
		{"-aq x", "a q | x"},
		{"-qaR a b", "q a R | a b"},
		{"-rvd DIR m", "r v d=DIR | m"},
		{"-rvdDIR m", "r v d=DIR | m"},
		{"-d -- x", "d=-- | x"},
		{"-d", "{option requires an argument -- 'd'} |"},
		{"-aXq", "a {invalid option -- 'X'} q |"},
		{"-", "| -"},
		{"- -a", "a | -"},
		{"x -- -a", "| x -a"},
		{"-- -- x", "| -- x"},
		{"a -n b --all c", "n a | a b c"},
		{"--dirname=D x", "d=D | x"},
		{"--dirname= x", "d= | x"},
		{"--dirname D x", "d=D | x"},
		{"--dir D x", "d=D | x"},
		{"--dirname", "{option '--dirname' requires an argument} |"},
		{"--dir", "{option '--dirname' requires an argument} |"},
		{"--all=1", "{option '--all' doesn't allow an argument} |"},
		{"--al=", "{option '--all' doesn't allow an argument} |"},
		{"--remove", "r |"},
		{"--remove-h", "h |"},
		{"--remove-", "h |"},
		{"--zzz=1", "{unrecognized option '--zzz=1'} |"},
		{"--re", "{option '--re' is ambiguous; possibilities: '--remove' '--remove-dependencies' '--remove-holders' '--resolve-alias'} |"},
		{"--d=1", "{option '--d=1' is ambiguous; possibilities: '--dirname' '--dry-run'} |"},
		{"--root D x", "O=D | x"},
		{"--roo D x", "{unrecognized option '--roo'} | D x"},
		{"--quiet", "q |"},
		{"--qui", "q |"},
		{"--quiet-", "{unrecognized option '--quiet-'} |"},
		{"-Z", "Z |"},
		{"-a-", "a {invalid option -- '-'} |"},
	} {
		if got := parse(getopt.Permute, strings.Fields(tt.in)); got != tt.want {
			t.Errorf("parse(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func TestPosix(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"-a x -q", "a | x -q"},
		{"-a - -q", "a | - -q"},
		{"-a -- -q", "a | -q"},
	} {
		if got := parse(getopt.Posix, strings.Fields(tt.in)); got != tt.want {
			t.Errorf("parse(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzParse checks that nothing is lost or invented: every argument is used once, and the operands come in order.
func FuzzParse(f *testing.F) {
	fuzzseed.Add(f, "-rvd DIR m --all=1 -- -x")
	fuzzseed.Add(f, "--re x -w --")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		before := slices.Clone(args)
		for _, order := range []getopt.Order{getopt.Permute, getopt.Posix} {
			p := getopt.New(options, order, args)
			used := 0
			for {
				o, value, err := p.Next()
				if o == nil && err == nil {
					break
				}
				if used++; used > len(line)+1 {
					t.Fatalf("no end after %d options", used)
				}
				if o != nil && o.Arg == getopt.None && value != "" {
					t.Fatalf("option %q with value %q", o.Long, value)
				}
				if o != nil && value != "" && !strings.Contains(line, value) {
					t.Fatalf("value %q is not in %q", value, line)
				}
			}
			i := 0
			for _, operand := range p.Operands() {
				for i < len(args) && args[i] != operand {
					i++
				}
				if i++; i > len(args) {
					t.Fatalf("operands %q are not a subsequence of %q", p.Operands(), args)
				}
			}
		}
		if !slices.Equal(args, before) {
			t.Fatalf("arguments changed from %q to %q", before, args)
		}
	})
}

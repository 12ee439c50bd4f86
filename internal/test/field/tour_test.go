//go:build linux

package field_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the commands of docs/tour.md print into it")

const tour = "../../../docs/tour.md"

// An example is a command in docs/tour.md, in a line "    $ COMMAND", and what it prints, in the lines after it.
type example struct {
	command, output string
	at, end         int // the lines of the output, from at to before end
}

// examples returns the examples in the lines of a text.
func examples(lines []string) []example {
	const indent = "    "
	var list []example
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], indent+"$ ")
		if !ok {
			continue
		}
		e := example{command: command, at: i + 1, end: i + 1}
		for ; e.end < len(lines) && strings.HasPrefix(lines[e.end], indent) && !strings.HasPrefix(lines[e.end], indent+"$ "); e.end++ {
			e.output += lines[e.end][len(indent):] + "\n"
		}
		list = append(list, e)
	}
	return list
}

// exampleScript is a shell script that runs the commands of docs/tour.md one after the other, in /root.
func exampleScript(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(tour)
	if err != nil {
		t.Fatal(err)
	}
	script := "cd /root\n"
	list := examples(strings.Split(string(text), "\n"))
	if len(list) < 5 {
		t.Fatalf("docs/tour.md has %d examples", len(list))
	}
	for _, e := range list {
		quoted := "'" + strings.ReplaceAll(e.command, "'", `'\''`) + "'"
		script += "printf '    $ %s\\n' " + quoted + "\nsh -c " + quoted + " 2>&1 | sed 's/^/    /; s/ *$//'\n"
	}
	return script
}

// checkExamples compares docs/tour.md with what its commands have printed, but for numbers that another kernel changes:
// releases, checksums of symbols, counts. With -update it writes docs/tour.md anew.
func checkExamples(t *testing.T, printed string) {
	t.Helper()
	text, err := os.ReadFile(tour)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	want, got := examples(lines), examples(strings.Split(printed, "\n"))
	if len(got) != len(want) {
		t.Fatalf("%d commands of docs/tour.md ran, want %d:\n%s", len(got), len(want), printed)
	}
	var updated []string
	from := 0
	for i, e := range want {
		updated = append(updated, lines[from:e.at]...)
		for line := range strings.Lines(got[i].output) {
			updated = append(updated, strings.TrimRight("    "+line, " \n"))
		}
		from = e.end
		if d := cmp.Diff(plain(e.output), plain(got[i].output)); d != "" && !*update {
			t.Errorf("$ %s\nin docs/tour.md (-) and in the guest (+); write it anew by go test ./internal/test/field -run TestDebianGuest -update:\n%s", e.command, d)
		}
	}
	if *update {
		if err := os.WriteFile(tour, []byte(strings.Join(append(updated, lines[from:]...), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// plain takes out of a text what depends on the kernel's release.
func plain(text string) string {
	text = regexp.MustCompile(`\d+\.\d+\.\d+-\d+`).ReplaceAllString(text, "RELEASE")
	text = regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(text, "0xCRC")
	return regexp.MustCompile(`\d+ (symbols|differ|CRCs)`).ReplaceAllString(text, "N $1")
}

func TestExamples(t *testing.T) {
	const text = "x\n\n    $ a\n    1\n    2\n    $ b\n\n    $ c\n    3\n\ny"
	want := []example{{"a", "1\n2\n", 3, 5}, {"b", "", 6, 6}, {"c", "3\n", 8, 9}}
	if d := cmp.Diff(want, examples(strings.Split(text, "\n")), cmp.AllowUnexported(example{})); d != "" {
		t.Error(d)
	}
	if got := plain("6.1.0-50-amd64 0x12af 87 differ"); got != "RELEASE-amd64 0xCRC N differ" {
		t.Error(got)
	}
}

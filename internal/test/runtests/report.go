package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json; "go doc test2json" says what the fields are.
type event struct {
	Action, Package, Test, Output string
}

// test is a test or subtest by its package and name.
type test struct{ pkg, name string }

// report reads events, prints what go test without -v would, and counts.
type report struct {
	out            io.Writer
	logged         *regexp.Regexp            // how a line begins that a test has logged; twice, if in a guest
	said           map[test]*strings.Builder // what tests that have not ended yet have printed
	failedIn       map[string]bool           // packages with a failed test
	skipped        map[string][]test         // by reason
	passed, failed int
	skippedCount   int
}

func newReport(out io.Writer) *report {
	return &report{
		out: out, logged: regexp.MustCompile(`^( *[^\s:]+\.go:\d+: +)+`),
		said: make(map[test]*strings.Builder), failedIn: make(map[string]bool),
		skipped: make(map[string][]test),
	}
}

// read takes all events. A line that is none is printed as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				io.WriteString(r.out, line)
			} else if e.Test == "" {
				r.ofPackage(&e)
			} else {
				r.ofTest(&e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ofPackage handles what is not of a test: the compiler's words, and how a package came out.
func (r *report) ofPackage(e *event) {
	switch e.Action {
	case "output", "build-output":
		if e.Output != "PASS\n" && e.Output != "FAIL\n" {
			io.WriteString(r.out, e.Output)
		}
	case "fail":
		// Tests that had not ended when the process did: one of them may have ended it.
		for _, t := range slices.SortedFunc(maps.Keys(r.said), byName) {
			if t.pkg == e.Package {
				r.show(t)
			}
		}
		if !r.failedIn[e.Package] { // it was not compiled, or did not come to its end
			r.failed++
		}
	}
}

// ofTest handles what a test printed and how it came out.
func (r *report) ofTest(e *event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		if r.said[t] == nil {
			r.said[t] = new(strings.Builder)
		}
		if !strings.HasPrefix(e.Output, "=== ") {
			r.said[t].WriteString(e.Output)
		}
	case "pass":
		r.passed++
		delete(r.said, t)
	case "skip":
		r.skippedCount++
		why := "no reason given"
		if said := r.said[t]; said != nil {
			why = r.reason(said.String())
		}
		r.skipped[why] = append(r.skipped[why], t)
		delete(r.said, t)
	case "fail":
		r.failed++
		r.failedIn[e.Package] = true
		r.show(t)
	}
}

// show prints what a test has printed.
func (r *report) show(t test) {
	if said := r.said[t]; said != nil {
		io.WriteString(r.out, said.String())
		delete(r.said, t)
	}
}

// reason finds out of what a skipped test has printed why it was skipped: the first line of what it logged last.
// testscript logs an empty line behind the reason.
func (r *report) reason(said string) string {
	why := "no reason given"
	for line := range strings.Lines(said) {
		if prefix := r.logged.FindString(line); prefix != "" {
			why = cmp.Or(strings.TrimSpace(line[len(prefix):]), why)
		}
	}
	return why
}

// summary says what was skipped and why, and closes with the numbers. It returns false if with ci a test was skipped
// for a reason that the list does not allow.
func (r *report) summary(ci bool, list string) bool {
	var may []string
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			may = append(may, line)
		}
	}
	reasons := slices.Sorted(maps.Keys(r.skipped))
	if len(reasons) > 0 {
		fmt.Fprintln(r.out, "\nskipped, and why:")
	}
	forbidden := 0
	for _, why := range reasons {
		mark := ""
		if ci && !slices.Contains(may, why) {
			forbidden += len(r.skipped[why])
			mark = "NOT ALLOWED with CI=true, internal/test/runtests/skips.txt lists what is: "
		}
		fmt.Fprintf(r.out, "  %s%s\n", mark, why)
		r.names(r.skipped[why])
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed+forbidden,
		r.skippedCount-forbidden)
	return forbidden == 0
}

// names prints tests, a line for each package.
func (r *report) names(tests []test) {
	slices.SortFunc(tests, byName)
	for i, t := range tests {
		switch {
		case i == 0 || tests[i-1].pkg != t.pkg:
			if i > 0 {
				fmt.Fprintln(r.out)
			}
			fmt.Fprintf(r.out, "    %s: %s", t.pkg, t.name)
		default:
			fmt.Fprint(r.out, " ", t.name)
		}
	}
	fmt.Fprintln(r.out)
}

func byName(a, b test) int {
	if c := strings.Compare(a.pkg, b.pkg); c != 0 {
		return c
	}
	return strings.Compare(a.name, b.name)
}

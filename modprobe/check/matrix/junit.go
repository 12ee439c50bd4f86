package matrix

import (
	"encoding/xml"
	"io"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// The elements of a report in the format of JUnit, as far as CI systems read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Failure *junitCause `xml:"failure"`
		Error   *junitCause `xml:"error"`
	}
	junitCause struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report for CI: a suite for each kernel, a case for each module. What is not known is an error,
// not a case that was skipped: CI takes skipped ones for good.
func (r *Report) WriteJUnit(w io.Writer) error {
	doc := junitSuites{Name: "modprobe --check"}
	for i, k := range r.Kernels {
		s := junitSuite{Name: k.Label, Tests: len(r.Modules)}
		for j := range r.Modules {
			row := &r.Modules[j]
			c := &row.Cells[i]
			one := junitCase{Class: k.Label, Name: row.Module}
			switch cause := newCause(c); {
			case c.Loads():
			case c.Outcome == check.Fails:
				one.Failure = cause
				s.Failures++
			default:
				one.Error = cause
				s.Errors++
			}
			s.Cases = append(s.Cases, one)
		}
		if k.Error != "" && len(r.Modules) == 0 {
			s.Tests, s.Errors = 1, 1
			s.Cases = []junitCase{{Class: k.Label, Name: "kernel",
				Error: &junitCause{Type: string(kindKernel), Message: k.Error}}}
		}
		doc.Tests, doc.Failures, doc.Errors = doc.Tests+s.Tests, doc.Failures+s.Failures, doc.Errors+s.Errors
		doc.Suites = append(doc.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// newCause says why a module does not load.
func newCause(c *Cell) *junitCause {
	cause := &junitCause{Type: string(c.Kind), Message: c.Text}
	var lines []string
	for _, l := range []string{c.Error, strings.Join(c.Symbols, " "), c.Summary, c.Advice} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	cause.Text = strings.Join(lines, "\n")
	return cause
}

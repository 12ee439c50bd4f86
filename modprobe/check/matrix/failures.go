package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// A Failure is a paragraph of the report: a kind of reason, and where it counts.
type Failure struct {
	Kind   check.Kind    // of the findings
	Title  string        // the kind in words
	Loads  int           // how many cells it is about
	Lines  []FailureLine // what differs within the kind
	Advice []string      // what to do, at most three sentences
}

// A FailureLine says of modules with which kernels they have the same trouble.
type FailureLine struct {
	Modules []string // their names
	Kernels []int    // numbers from 1
	Text    string   // the trouble
}

// titles say what a kind of failure is, in the order of the paragraphs.
var titles = [...]struct {
	kind  check.Kind
	title string
}{
	{kindKernel, "Kernels that cannot be read"},
	{kindNotFound, "Modules that are not there"},
	{check.KindFile, "The file is damaged, or not for this machine"},
	{check.KindLayout, "Built for another kernel (struct module or module_layout differs)"},
	{check.KindVermagic, "Built for another kernel (vermagic differs)"},
	{check.KindVersion, "A symbol has another version"},
	{check.KindNoVersion, "Built without versions of symbols"},
	{check.KindMissing, "Nobody exports a symbol"},
	{check.KindLicence, "A symbol is for GPL modules only"},
	{check.KindNamespace, "A namespace of symbols is not imported"},
	{check.KindDuplicate, "A symbol is exported already"},
	{check.KindSignature, "The signature"},
	{check.KindTypes, "The types in BTF that the module brings"},
	{check.KindState, "The running kernel refuses it in its present state"},
	{check.KindForce, "Forcing"},
	{kindUnknown, "Not verified: neither yes nor no"},
}

// Failures returns the kinds of failure with the modules and kernels that have them.
func (r *Report) Failures() []Failure {
	var list []Failure
	for _, t := range titles {
		f := Failure{Kind: t.kind, Title: t.title}
		for i := range r.Modules {
			r.Modules[i].addTo(&f)
		}
		if f.Loads > 0 {
			list = append(list, f)
		}
	}
	return list
}

// addTo adds the cells of one kind. Cells of a row with the same symbols are one line, and so are rows with the same
// symbols on the same kernels.
func (row *Row) addTo(f *Failure) {
	type trouble struct {
		text    string
		kernels []int
	}
	var own []trouble
	for i := range row.Cells {
		c := &row.Cells[i]
		if c.Loads() || c.Kind != f.Kind {
			continue
		}
		f.Loads++
		f.advise(c.Advice)
		text := c.line()
		at := slices.IndexFunc(own, func(o trouble) bool { return o.text == text })
		if at < 0 {
			own = append(own, trouble{text: text})
			at = len(own) - 1
		}
		own[at].kernels = append(own[at].kernels, i+1)
	}
	for _, o := range own {
		same := func(l FailureLine) bool { return l.Text == o.text && slices.Equal(l.Kernels, o.kernels) }
		if at := slices.IndexFunc(f.Lines, same); at >= 0 {
			f.Lines[at].Modules = append(f.Lines[at].Modules, row.Module)
			continue
		}
		f.Lines = append(f.Lines, FailureLine{[]string{row.Module}, o.kernels, o.text})
	}
}

// advise adds advice: at most three sentences, and one about headers.
func (f *Failure) advise(text string) {
	const rebuild, each = "rebuild it against the headers of ", "rebuild against the headers of each of these kernels"
	for i, have := range f.Advice {
		if have == text || have == each && strings.HasPrefix(text, rebuild) {
			return
		}
		if strings.HasPrefix(have, rebuild) && strings.HasPrefix(text, rebuild) {
			f.Advice[i] = each
			return
		}
	}
	if text != "" && len(f.Advice) < 3 {
		f.Advice = append(f.Advice, text)
	}
}

// line is the reason without what differs from kernel to kernel: the symbols, if there are any, and what became of the
// types.
func (c *Cell) line() string {
	text, _, _ := strings.Cut(c.Text, " in the module, ")
	if text != c.Text {
		text += " in the module"
	}
	if len(c.Symbols) > 0 && c.Kind != check.KindFile {
		text = strings.Join(c.Symbols, " ")
	}
	if c.Class != "" && c.Class != check.ClassNotKnown {
		text += " (" + string(c.Class) + ")"
	}
	return text
}

// names lists modules; of many the first eight.
func (l *FailureLine) names() string {
	if len(l.Modules) > 9 {
		return fmt.Sprintf("%s and %d more", strings.Join(l.Modules[:8], " "), len(l.Modules)-8)
	}
	return strings.Join(l.Modules, " ")
}

// ranges writes numbers in ascending order as "1-3 7".
func ranges(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, fmt.Sprint(list[i]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", list[i], list[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, " ")
}

package matrix

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// NotFound is the outcome where a kernel's tree has no module of that name, or a file cannot be read.
const NotFound check.Outcome = "NOT FOUND"

// Kinds of cells that do not load for another reason than one that a verdict has.
const (
	kindNotFound check.Kind = "not found"
	kindKernel   check.Kind = "kernel"
	kindUnknown  check.Kind = "not verified"
)

// Report is the matrix. As JSON it is what modprobe --check --format json prints; docs/json.md has a sample.
type Report struct {
	// Kernels are the columns.
	Kernels []Kernel `json:"kernels"`
	// Modules are the rows.
	Modules []Row `json:"modules"`
	// LoadOnAll is how many modules load on every kernel.
	LoadOnAll int `json:"load_on_all"`
}

// Row is a module.
type Row struct {
	// Module is its name.
	Module string `json:"module"`
	// Path is its file, if it was named by it.
	Path string `json:"path,omitempty"`
	// Loads is on how many kernels it loads.
	Loads int `json:"loads"`
	// Cells are the answers, one for each kernel, in their order.
	Cells []Cell `json:"cells"`
}

// Cell is what one kernel says to one module.
type Cell struct {
	// Kernel is the label of the kernel.
	Kernel string `json:"kernel"`
	// Outcome is the answer; NotFound, too.
	Outcome check.Outcome `json:"outcome"`
	// Taints are the letters of the taint flags that the load sets.
	Taints string `json:"taints,omitempty"`
	// Error is the error of a load that fails, in words.
	Error string `json:"error,omitempty"`
	// Kind is the kind of the first reason.
	Kind check.Kind `json:"kind,omitempty"`
	// Symbols are the symbols that the reason is about, at most eight.
	Symbols []string `json:"symbols,omitempty"`
	// Text is the first reason.
	Text string `json:"text,omitempty"`
	// Advice says what to do about it.
	Advice string `json:"advice,omitempty"`
	// Class is what the changes of types since the kernel that the module was built for mean to it.
	Class check.Class `json:"class,omitempty"`
	// Summary says that in a sentence.
	Summary string `json:"summary,omitempty"`
}

// newCell keeps of a verdict what a report has.
func newCell(v *check.Verdict) Cell {
	c := Cell{Outcome: v.Outcome, Error: v.Error}
	if v.Outcome != check.Fails {
		for _, t := range v.Taints {
			c.Taints += t.Letter
		}
	}
	if ch := v.Changes; ch != nil {
		c.Class, c.Summary = ch.Class, ch.Summary(v.Module)
	}
	if v.Outcome == check.Unknown && len(v.NotVerified) > 0 {
		c.Kind, c.Text = kindUnknown, v.NotVerified[0]
		return c
	}
	for _, f := range v.Findings {
		if !f.Fatal {
			continue
		}
		if c.Kind == "" {
			c.Kind, c.Text, c.Advice = f.Kind, f.Text, f.Advice
		}
		if f.Kind == c.Kind && f.Symbol != "" && len(c.Symbols) < 8 && !slices.Contains(c.Symbols, f.Symbol) {
			c.Symbols = append(c.Symbols, f.Symbol)
		}
	}
	return c
}

// Loads tells whether the kernel takes the module, or has it.
func (c *Cell) Loads() bool {
	return c.Outcome == check.Loads || c.Outcome == check.LoadsTaints || c.Outcome == check.BuiltIn
}

// Letter is the cell in a table.
func (c *Cell) Letter() string {
	switch c.Outcome {
	case check.Loads:
		return "L"
	case check.LoadsTaints:
		return "T"
	case check.BuiltIn:
		return "B"
	case check.Fails:
		if c.Class.Compatible() {
			return "f"
		}
		return "F"
	case NotFound:
		return "-"
	}
	return "?"
}

// letters are the letters of cells, with what they mean.
var letters = [...][2]string{
	{"L", "loads"}, {"T", "loads and taints the kernel"}, {"B", "built in"}, {"F", "fails"},
	{"f", "fails, but the module names no type that moved"}, {"?", "not known"}, {"-", "not found"},
}

// finish counts.
func (r *Report) finish() {
	for i := range r.Modules {
		row := &r.Modules[i]
		for j := range row.Cells {
			if row.Cells[j].Loads() {
				row.Loads++
			}
		}
		if row.Loads == len(r.Kernels) {
			r.LoadOnAll++
		}
	}
}

// Outcome is the worst of all: Loads if every module loads on every kernel, Fails if one fails or is not found,
// otherwise Unknown.
func (r *Report) Outcome() check.Outcome {
	worst := check.Loads
	for _, k := range r.Kernels {
		if k.Error != "" {
			worst = check.Unknown
		}
	}
	for _, row := range r.Modules {
		for i := range row.Cells {
			switch c := &row.Cells[i]; {
			case c.Outcome == check.Fails || c.Outcome == NotFound:
				return check.Fails
			case !c.Loads():
				worst = check.Unknown
			}
		}
	}
	return worst
}

// Summary says how many modules load, and then of each of the others why it does not.
func (r *Report) Summary() []string {
	kernels := count(len(r.Kernels), "kernel")
	if len(r.Kernels) > 1 {
		kernels = "all " + kernels
	}
	verb := "load"
	if r.LoadOnAll == 1 || len(r.Modules) == 1 {
		verb = "loads"
	}
	list := []string{fmt.Sprintf("%d of %s %s on %s.", r.LoadOnAll, count(len(r.Modules), "module"), verb, kernels)}
	for i := range r.Modules {
		if text := r.Modules[i].summary(); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// summary says why a module does not load everywhere; "" if it does.
func (row *Row) summary() string {
	var fails, unknown, missing, harmless int
	var reasons []string
	for i := range row.Cells {
		c := &row.Cells[i]
		switch {
		case c.Loads():
		case c.Outcome == check.Fails:
			fails++
			if c.Class.Compatible() {
				harmless++
			}
			if why := c.short(); !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
		case c.Outcome == NotFound:
			missing++
		default:
			unknown++
		}
	}
	var parts []string
	if fails > 0 {
		if len(reasons) > 3 {
			reasons = append(reasons[:3], "…")
		}
		parts = append(parts, fmt.Sprintf("fails on %d: %s", fails, strings.Join(reasons, ", ")))
	}
	if harmless > 0 {
		parts = append(parts, fmt.Sprintf("names no changed type on %d", harmless))
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("is not known on %d", unknown))
	}
	if missing > 0 {
		parts = append(parts, fmt.Sprintf("is not found on %d", missing))
	}
	if parts == nil {
		return ""
	}
	return row.Module + " " + strings.Join(parts, "; ")
}

// short is the reason in a word or two.
func (c *Cell) short() string {
	if len(c.Symbols) > 0 && c.Kind != check.KindMissing {
		return c.Symbols[0]
	}
	if len(c.Symbols) > 0 {
		return "no " + c.Symbols[0]
	}
	return string(c.Kind)
}

// count is a number with the noun it counts.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

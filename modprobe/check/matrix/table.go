package matrix

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteTable writes the report for a terminal: the kernels with their numbers, a letter for each module and kernel, the
// summary, and a paragraph for each kind of failure.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	digits := len(strconv.Itoa(len(r.Kernels)))
	for i, k := range r.Kernels {
		line := fmt.Sprintf("%*d  %s", digits, i+1, k.Label)
		if source := k.from(); source != "" {
			line += "  " + source
		}
		fmt.Fprintln(&b, line)
	}
	if len(r.Modules) > 0 {
		r.grid(&b, digits)
		fmt.Fprintln(&b)
		for _, line := range r.Summary() {
			fmt.Fprintln(&b, line)
		}
	}
	for _, f := range r.Failures() {
		fmt.Fprintf(&b, "\n%s: %s\n", f.Title, count(f.Loads, "load"))
		for _, l := range f.Lines {
			fmt.Fprintf(&b, "  %s on %s: %s\n", l.names(), ranges(l.Kernels), l.Text)
		}
		for _, a := range f.Advice {
			fmt.Fprintf(&b, "    -> %s\n", a)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// from says where a kernel was read from, if its label does not, or why it was not.
func (k *Kernel) from() string {
	switch {
	case k.Error != "":
		return "cannot be read: " + strings.TrimPrefix(k.Error, k.Label+": ")
	case k.Source != k.Label:
		return k.Source
	}
	return ""
}

// grid writes the numbers of the kernels, upright, the letters below them, and what these mean.
func (r *Report) grid(b *bytes.Buffer, digits int) {
	width := 0
	for _, row := range r.Modules {
		width = max(width, len(row.Module))
	}
	fmt.Fprintln(b)
	for d := range digits {
		line := strings.Repeat(" ", width+2)
		for i := range r.Kernels {
			line += fmt.Sprintf("%*d", digits, i+1)[d : d+1]
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	used := map[string]bool{}
	for i := range r.Modules {
		row := &r.Modules[i]
		line := fmt.Sprintf("%-*s  ", width, row.Module)
		for j := range row.Cells {
			letter := row.Cells[j].Letter()
			used[letter] = true
			line += letter
		}
		fmt.Fprintln(b, line)
	}
	fmt.Fprintln(b, strings.Join(legend(used), ", "))
}

// legend says what the letters mean that are used.
func legend(used map[string]bool) (list []string) {
	for _, l := range letters {
		if used[l[0]] {
			list = append(list, l[0]+" "+l[1])
		}
	}
	return list
}

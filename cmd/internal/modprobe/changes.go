//go:build !kmod_boot

package modprobe

import (
	"fmt"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// How many of the changes are shown without -v.
const (
	changedTypes = 5 // types
	changedLines = 4 // lines of what differs in one
)

// builtFor makes the operand of --built-for a path, or leaves it a release: it is a file if it is written as one, or if
// there is such a file.
func (r *modprobeRun) builtFor() error {
	name := r.check.BuiltFor
	if _, file := r.file(name); name == "" || !strings.Contains(name, "/") && !file {
		return nil
	}
	abs, err := cli.Absolute(r.Env, name)
	if err == nil {
		r.check.BuiltFor = path.Clean(abs)
	}
	return err
}

// changes writes what differs from the kernel that a module was built for.
func (c *checkRun) changes(v *check.Verdict) {
	ch := v.Changes
	if ch == nil {
		return
	}
	out, all := c.out, c.verbose > cli.LevelWarning
	if ch.Class == check.ClassNotKnown {
		out.Line("  what changed: not known: ", ch.Why)
	} else {
		out.Line("  what changed (", string(ch.Class), "): ", changedHead(v.Module, ch))
	}
	if ch.Advice != "" {
		out.Line("    -> ", ch.Advice)
	}
	for i, t := range ch.Types {
		if i == changedTypes && !all {
			out.Line(fmt.Sprintf("    and %d more types (-v shows them)", len(ch.Types)-i))
			break
		}
		c.changedType(v.Module, t, all)
	}
	for _, l := range []struct {
		text  string
		names []string
	}{
		{"no type tells why these differ: ", ch.NoType},
		{"these differ though their types are equal: ", ch.CRCOnly},
		{"this kernel does not export: ", ch.Gone},
	} {
		if names := l.names; len(names) > 0 {
			if !all {
				names = limitNames(names, 5)
			}
			out.Line("    ", l.text, strings.Join(names, " "))
		}
	}
	if ch.BuiltFor != "" {
		out.Line("    types of ", ch.BuiltFor, " and of ", ch.Against)
	}
}

// changedHead sums up what changed; the types follow it.
func changedHead(module string, ch *check.Changes) string {
	named := 0
	for _, t := range ch.Types {
		if t.Used != "" && t.Moves {
			named++
		}
	}
	if named == 0 {
		return ch.Summary(module)
	}
	return fmt.Sprintf("%d imports differ, %d types changed; %s names %d that moved", ch.Differ, len(ch.Types),
		module, named)
}

// changedType writes one type that differs.
func (c *checkRun) changedType(module string, t check.TypeChange, all bool) {
	head := fmt.Sprintf("    %s (%s)", t.Type, t.Change)
	switch {
	case t.Symbols == 1:
		head += ", reached by 1 import"
	case t.Symbols > 1:
		head += fmt.Sprintf(", reached by %d imports", t.Symbols)
	}
	if len(t.Via) > 1 {
		head += ": " + strings.Join(t.Via, " -> ")
	}
	c.out.Line(head)
	lines := t.Lines
	if !all {
		lines = limit(lines, changedLines)
	}
	for _, l := range lines {
		c.out.Line("      ", l)
	}
	if t.Used != "" {
		c.out.Line("      ", module, " ", t.Used)
	}
}

// limitNames cuts a list of names and says how many are left out.
func limitNames(names []string, n int) []string {
	if len(names) <= n {
		return names
	}
	return append(names[:n:n], fmt.Sprintf("and %d more", len(names)-n))
}

// className is the class of what changed, for the table of kernels.
func className(v *check.Verdict) string {
	if v.Changes == nil {
		return ""
	}
	return string(v.Changes.Class)
}

//go:build !kmod_boot

package modprobe

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// kernels judges modules against every installed kernel: one row each, then the links that would make them available.
func (c *checkRun) kernels(names []string) int {
	answers, err := c.askAll(names)
	if err != nil {
		return c.checkFailed(err)
	}
	var all []*check.Verdict
	var plan []string
	status := rank(checkFails) // unless one kernel does better
	var widths [3]int          // of releases, modules and classes of changes
	for _, a := range answers {
		widths[0] = max(widths[0], len(a.release))
		for _, v := range a.verdicts {
			widths[1] = max(widths[1], len(v.Module))
			if className(v) != string(check.ClassNotKnown) { // of which alone there is no column
				widths[2] = max(widths[2], len(className(v)))
			}
		}
	}
	for _, a := range answers {
		for _, e := range causes(a.err) {
			if c.json {
				c.Errorf("%s: %s", a.release, c.checkError(e))
			} else {
				c.out.Line(fmt.Sprintf("%-*s  %s", widths[0], a.release, c.checkError(e)))
			}
		}
		all = append(all, a.verdicts...)
		if a.err == nil {
			status = min(status, rank(worst(a.verdicts)))
		}
		for _, v := range a.verdicts {
			c.row(v, widths)
		}
		plan = append(plan, links(a, c.from.Dir)...)
	}
	if c.json {
		c.out.JSON(cli.OrEmpty(all))
	} else if len(plan) > 0 {
		c.out.Line()
		where := ""
		if c.root != "" {
			where = " (within chroot " + c.root + ")"
		}
		c.out.Line("To make them available where they load", where, ":")
		for _, l := range plan {
			c.out.Line("  ", l)
		}
	}
	return rank(status)
}

// askAll asks every installed kernel, some at a time.
func (c *checkRun) askAll(names []string) ([]answer, error) {
	releases, err := modprobe.Releases(c.from.FS, c.from.Dir)
	answers := make([]answer, len(releases))
	var wait sync.WaitGroup
	turn := make(chan struct{}, min(runtime.GOMAXPROCS(0), 4))
	progress := cli.StartProgress(c.Env, "kernels compared")
	defer progress.End()
	var done atomic.Int64
	for i, release := range releases {
		wait.Go(func() {
			defer func() { progress.Set(int(done.Add(1)), len(releases)) }()
			turn <- struct{}{}
			defer func() { <-turn }()
			o := c.from
			o.Release = release
			p, err := modprobe.New(&o)
			if err != nil {
				answers[i] = answer{release: release, err: err}
				return
			}
			answers[i] = c.ask(p, names)
		})
	}
	wait.Wait()
	return answers, err
}

// links returns the shell commands that make modules from other folders available to a kernel that accepts them. base
// is the folder of -d, or "".
func links(a answer, base string) (commands []string) {
	dir := shellWord(a.dir + "/weak-updates/")
	for _, v := range a.verdicts {
		if (v.Outcome == check.Loads || v.Outcome == check.LoadsTaints) &&
			!strings.HasPrefix(v.Path, a.dir+"/") {
			commands = append(commands, "ln -s "+shellWord(v.Path)+" "+dir)
		}
	}
	if commands != nil {
		if base != "" {
			base = "-b " + shellWord(base) + " "
		}
		commands = append(append([]string{"mkdir -p " + dir}, commands...), "depmod "+base+a.release)
	}
	return commands
}

// shellWord quotes a word for a shell.
func shellWord(s string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.ContainsRune("/._-+:@%=,", c)
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// rank exchanges the statuses of "fails" and "unknown", so that less is better; applied twice it gives the status back.
func rank(status int) int { return [...]int{0, 2, 1}[status] }

// row writes one line of the table.
func (c *checkRun) row(v *check.Verdict, widths [3]int) {
	if c.json {
		return
	}
	why := ""
	switch {
	case v.Outcome == check.LoadsTaints:
		why = taintLetters(v)
	case v.Outcome == check.Unknown && len(v.NotVerified) > 0:
		why = "not verified: " + v.NotVerified[0]
	case len(v.Findings) > 0:
		why, _, _ = strings.Cut(v.Findings[0].Text, " (")
	}
	fmt.Fprintf(c.out, "%-*s  %-*s  ", widths[0], v.Release, widths[1], v.Module)
	c.outcome(v.Outcome)
	line := strings.Repeat(" ", max(0, len("BUILT IN")-len(v.Outcome))+2)
	if widths[2] > 0 {
		line += fmt.Sprintf("%-*s  ", widths[2], className(v))
	}
	c.out.Line(strings.TrimRight(line+why, " "))
}

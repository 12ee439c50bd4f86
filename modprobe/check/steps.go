package check

import (
	"slices"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Step is the load of another module that modprobe makes for one, with the kernel's answer to it.
type Step struct {
	// Module is the other module's name.
	Module string `json:"module"`
	// Path is its file.
	Path string `json:"path,omitempty"`
	// After is set if it comes after the module, and not before.
	After bool `json:"after,omitempty"`
	// Required is set if modprobe gives up when this load fails; it goes on without what only a softdep names.
	Required bool `json:"required"`
	// Outcome is the answer.
	Outcome Outcome `json:"outcome"`
	// Errno is the error of a load that fails.
	Errno syscall.Errno `json:"errno,omitempty"`
	// Error is Errno in words.
	Error string `json:"error,omitempty"`
	// Why is the first reason of a load that fails, or what could not be verified.
	Why string `json:"why,omitempty"`
	// Log holds the lines that the kernel's loader prints.
	Log []string `json:"log,omitempty"`
}

// step says what the kernel answers to the load of another module.
func step(name string, required bool, v *Verdict) Step {
	s := Step{Module: name, Path: v.Path, Required: required, Outcome: v.Outcome, Errno: v.Errno, Log: v.Log}
	switch {
	case v.Outcome == Fails:
		s.Error = errno.Text(v.Errno)
		if len(v.Findings) > 0 {
			s.Why = v.Findings[0].Text
		}
	case v.Outcome == Unknown:
		s.Why = v.NotVerified[0]
	}
	return s
}

// add adds a step to a verdict: what a load needs and fails, fails the load as well.
func (v *Verdict) add(s Step) {
	v.Steps = append(v.Steps, s)
	switch {
	case !s.Required:
	case s.Outcome == Unknown:
		v.doubt("whether " + s.Module + ", which it needs, loads: " + s.Why)
	case s.Outcome == Fails:
		why := ""
		if s.Why != "" {
			why = ": " + s.Why
		}
		v.Outcome, v.Errno = Fails, s.Errno
		v.Log = append(slices.Clone(s.Log), v.Log...)
		missing := Finding{Kind: KindMissing, Fatal: true,
			Text: "it needs " + s.Module + ", which fails itself" + why}
		v.Findings = append([]Finding{missing}, v.Findings...)
	}
}

// doubt adds what is not known of a verdict that is settled.
func (v *Verdict) doubt(text string) {
	v.NotVerified = append(v.NotVerified, text)
	if v.Outcome != Fails {
		v.Outcome = Unknown
	}
}

// settings returns the options of modprobe.d for a module, as modprobe puts them before other parameters.
func (c *Checker) settings(m modprobe.Module) (text string) {
	if c.o.Alone {
		return ""
	}
	for _, s := range c.p.Config().Settings(m) {
		text += s.Text + " "
	}
	return text
}

// plan returns what modprobe does for the module in a file, as if nothing was loaded.
func (c *Checker) plan(file string) modprobe.Plan {
	plan, ok := c.plans[file]
	if !ok {
		plan, _ = c.p.Plan(file, &modprobe.PlanOptions{
			ShowAll: true, AllowForbidden: true, IgnoreCommands: c.o.Alone, Flags: c.o.Flags,
		})
		c.plans[file] = plan
	}
	return plan
}

// planned are the steps of a plan around a module, and what is to be said of them.
type planned struct {
	before, after  []modprobe.Step
	notes, unknown []string
}

// planFor returns the loads that modprobe makes besides that of a module: not what is loaded, built in, or judged by
// itself.
func (c *Checker) planFor(m *kernel.Module) (p planned) {
	if c.o.Alone {
		return p
	}
	permission := c.p.Permit(modprobe.Module{Path: m.Path}, nil)
	to := &p.before
	for _, s := range c.plan(m.Path) {
		name := s.Module.Name
		switch {
		case s.Requested:
			to = &p.after
			if s.Op == modprobe.OpInstall {
				p.notes = append(p.notes, "modprobe runs a command instead of loading it by its name: "+s.Command)
			}
		case s.Op == modprobe.OpBuiltin, c.loaded(name), c.isAsked(name):
		case s.Op == modprobe.OpInstall && s.Required:
			p.unknown = append(p.unknown, "whether the command for "+name+", which it needs, loads that: "+s.Command)
		case s.Op == modprobe.OpInstall:
			p.notes = append(p.notes, "for its softdep "+name+" modprobe runs a command: "+s.Command)
		case !permission.Allows(name) && s.Required:
			p.notes = append(p.notes, name+", which it needs, is forbidden in modprobe.d: modprobe does not load it")
		case !permission.Allows(name):
			p.notes = append(p.notes, "its softdep "+name+" is forbidden in modprobe.d: modprobe goes on without it")
		case s.Module.Path != "" && alias.FromPath(s.Module.Path) == name:
			*to = append(*to, s)
		}
	}
	return p
}

// loads asks the rules about steps in their order. One that cannot be read is left out: whoever needs its symbols
// misses them.
func (c *Checker) loads(steps []modprobe.Step) (list []Step) {
	for _, s := range steps {
		m := c.module(s.Module.Name)
		if m == nil || m == c.judged {
			continue
		}
		made := step(s.Module.Name, s.Required, c.check(m, s.Flags, s.Params))
		list = append(list, made)
		if made.Required && made.Outcome == Fails {
			break
		}
	}
	return list
}

// check asks the rules about one load. The marks that it leaves in the kernel are there for the next one.
func (c *Checker) check(m *kernel.Module, flags int, given string) *Verdict {
	v := c.k.CheckWith(m, flags, given)
	if v.Outcome == Fails && c.lone != nil && m.Path != c.lone.Path {
		c.byLone(v, m, flags, given)
	}
	v.Path = m.Path
	for _, t := range v.Taints {
		c.k.Tainted += t.Letter
	}
	return v
}

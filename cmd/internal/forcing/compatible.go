//go:build !kmod_boot

package forcing

import (
	"slices"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// Compatible is --force-compatible: it clears the flags of modules in a plan that load without force. If one that needs
// force names a type that moved, or if that is not known, it says so and reports false.
func (f *Forcer) Compatible(plan modprobe.Plan) bool {
	for i, s := range plan {
		const force = modprobe.IgnoreModversions | modprobe.IgnoreVermagic
		if s.Op != modprobe.OpInsmod || s.Flags&force == 0 || s.Module.Path == "" ||
			f.p.State(s.Module.Name).Loaded {
			continue
		}
		if f.loads(s.Module.Path) {
			plan[i].Flags &^= force
			continue
		}
		why := f.whyNot(s.Module.Path, s.Flags&force)
		switch {
		case why == "":
		case s.Required:
			level := f.Level
			f.Level = max(level, cli.LevelError)
			f.Errorf("could not insert '%s': %s", s.Module.Name, cli.Strerror(errno.ENOEXEC))
			f.Hintf("--force-compatible does not force it: %s", why)
			f.Level = level
			return false
		default:
			plan[i].Flags &^= force // the kernel refuses it, which the plan survives
		}
	}
	return true
}

// loads reports whether the running kernel accepts the module in a file without force.
func (f *Forcer) loads(file string) bool {
	p, err := running(f.p)
	if err != nil {
		return false
	}
	checker, err := check.New(p, &check.Options{Quick: true, Alone: true, Cache: CacheDir(f.Env)})
	if err != nil {
		return false
	}
	all, err := checker.Check(file)
	return err == nil && !slices.ContainsFunc(all, func(v *check.Verdict) bool {
		return v.Outcome != check.Loads && v.Outcome != check.LoadsTaints
	})
}

// whyNot says why the module in a file must not be forced, "" if it may.
func (f *Forcer) whyNot(file string, flags int) string {
	const unknown = "what changed is not known"
	if !f.ready(flags) {
		return unknown
	}
	all, err := f.checker.Check(file)
	if err != nil || len(all) != 1 || all[0].Changes == nil {
		return unknown
	}
	if ch := all[0].Changes; !ch.Class.Compatible() {
		return ch.Summary(all[0].Module)
	}
	return ""
}

//go:build !kmod_boot

package tool

import (
	"errors"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

const forceFlags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// A forcer tells, before modules are forced into the kernel, what that passes over and what it leaves behind. The kernel itself says
// nothing beforehand and little afterwards.
type forcer struct {
	*logger
	p       *modprobe.Prober
	quiet   bool
	checker *check.Checker
	flags   int
}

// allow says what forcing the module in a file means. It reports false, after saying why, if no flag can help.
func (f *forcer) allow(file string, flags int, requested bool) bool {
	if f.checker == nil || f.flags != flags {
		checker, err := check.New(f.p, &check.Options{Flags: flags, Quick: true, Cache: cacheDir(f.env)})
		if err != nil {
			return true // nothing is known: the kernel will say
		}
		f.checker, f.flags = checker, flags
	}
	all, err := f.checker.Check(file)
	if err != nil || len(all) == 0 {
		return true
	}
	v := all[0]
	if v.Hopeless {
		f.refuse(v)
		return false
	}
	if f.quiet || !requested && v.Outcome == check.Loads {
		return true
	}
	if len(v.Ignored) > 0 {
		f.hint("forcing %s; the kernel does not look at %s", v.Module, strings.Join(v.Ignored, "; nor at "))
	}
	if len(v.Taints) > 0 {
		var words []string
		for _, t := range v.Taints {
			words = append(words, t.Letter+" ("+t.Why+")")
		}
		f.hint("the kernel will be tainted until it is started anew: %s", strings.Join(words, ", "))
	}
	return true
}

// refuse says why forcing does not help. It is said whatever -q.
func (f *forcer) refuse(v *check.Verdict) {
	level := f.level
	f.level = max(level, levelError)
	defer func() { f.level = level }()
	f.error("could not insert '%s': %s", v.Module, strerror(v.Errno))
	for i, finding := range v.Findings {
		if !finding.Fatal || i == 4 {
			break
		}
		text := "forcing does not help: " + finding.Text
		if finding.Advice != "" {
			text += "; " + finding.Advice
		}
		f.hint("%s", text)
	}
}

// mayForce asks for every module that a plan forces in.
func (r *modprobeRun) mayForce(plan modprobe.Plan) bool {
	for _, s := range plan {
		if s.Op != modprobe.OpInsmod || s.Flags&forceFlags == 0 || s.Module.Path == "" || r.p.State(s.Module.Name).Loaded {
			continue
		}
		if r.forcer == nil {
			r.forcer = &forcer{logger: r.logger, p: r.p, quiet: r.verbose < levelWarning}
		}
		if !r.forcer.allow(s.Module.Path, s.Flags, s.Requested) && s.Required {
			return false
		}
	}
	return true
}

// because says why the kernel has refused the module in a file, if that is quickly found: what the kernel exports is in the cache or in
// a Module.symvers, and the rules come to the same errno.
func (l *logger) because(p *modprobe.Prober, file string, flags int, err error) {
	var code syscall.Errno
	if file == "" || l.level < levelError || !errors.As(err, &code) {
		return
	}
	switch code {
	case syscall.ENOEXEC, syscall.ENOENT, syscall.EINVAL, syscall.EPERM, errno.EKEYREJECTED:
	default:
		return
	}
	checker, err := check.New(p, &check.Options{Flags: flags, Quick: true, Cached: true, Cache: cacheDir(l.env)})
	if err != nil || checker.Source() == "" {
		return
	}
	all, err := checker.Check(file)
	if err != nil || all[0].Outcome != check.Fails || all[0].Errno != code {
		return
	}
	for i, finding := range all[0].Findings {
		if !finding.Fatal || i == 3 {
			break
		}
		text := finding.Text
		if finding.Advice != "" {
			text += "; " + finding.Advice
		}
		l.hint("%s", text)
	}
}

//go:build !kmod_boot

package forcing

import (
	"errors"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// A Forcer tells, before modules are forced into the kernel, what that passes over and what it leaves behind. The kernel itself says
// nothing beforehand and little afterwards.
type Forcer struct {
	*cli.Logger
	p       *modprobe.Prober
	quiet   bool
	careful bool
	checker *check.Checker
	flags   int
}

// New returns a forcer for modules that p finds. With quiet it only says why forcing does not help.
func New(l *cli.Logger, p *modprobe.Prober, quiet bool) *Forcer {
	return &Forcer{Logger: l, p: p, quiet: quiet}
}

// OnlyCompatible keeps the forcer from allowing modules that name a type that moved, or of which that is not known.
func (f *Forcer) OnlyCompatible() { f.careful = true }

// Needed reports whether the module in a file has to be forced, as far as is known.
func (f *Forcer) Needed(file string) bool {
	checker, err := check.New(f.p, &check.Options{Quick: true, Cache: CacheDir(f.Env)})
	if err != nil {
		return true
	}
	all, err := checker.Check(file)
	return err != nil || len(all) == 0 || all[0].Outcome != check.Loads && all[0].Outcome != check.LoadsTaints
}

// Allow says what forcing the module in a file means. It reports false, after saying why, if no flag can help.
func (f *Forcer) Allow(file string, flags int, requested bool) bool {
	if f.checker == nil || f.flags != flags {
		checker, err := check.New(f.p, &check.Options{Flags: flags, Quick: true, Cache: CacheDir(f.Env)})
		if err != nil {
			return f.unknown(file) // the kernel will say
		}
		f.checker, f.flags = checker, flags
	}
	all, err := f.checker.Check(file)
	if err != nil || len(all) == 0 {
		return f.unknown(file)
	}
	v := all[0]
	if v.Hopeless {
		f.refuse(v)
		return false
	}
	changes := v.Changes
	if f.careful && (changes == nil || !changes.Class.Compatible()) {
		text := "what changed is not known"
		if changes != nil {
			text = changes.Summary(v.Module)
		}
		f.tooMuch(v.Module, text)
		return false
	}
	if f.quiet || !requested && v.Outcome == check.Loads {
		return true
	}
	if len(v.Ignored) > 0 {
		f.Hintf("forcing %s; the kernel does not look at %s", v.Module, strings.Join(v.Ignored, "; nor at "))
	}
	if changes != nil && (changes.Class != check.ClassSame || changes.Why == "") {
		text := changes.Summary(v.Module)
		if changes.Advice != "" {
			text += "; to know it, " + changes.Advice
		}
		f.Hintf("%s", text)
	}
	if len(v.Taints) > 0 {
		var words []string
		for _, t := range v.Taints {
			words = append(words, t.Letter+" ("+t.Why+")")
		}
		f.Hintf("the kernel will be tainted until it is started anew: %s", strings.Join(words, ", "))
	}
	return true
}

// unknown allows a module of which nothing is known, if that is enough.
func (f *Forcer) unknown(file string) bool {
	if f.careful {
		f.tooMuch(alias.FromPath(file), "nothing is known of this kernel, or of the module")
	}
	return !f.careful
}

// tooMuch says why a module is not forced with --force-compatible.
func (f *Forcer) tooMuch(module, why string) {
	level := f.Level
	f.Level = max(level, cli.LevelError)
	defer func() { f.Level = level }()
	f.Errorf("could not insert '%s': %s", module, cli.Strerror(errno.ENOEXEC))
	f.Hintf("--force-compatible does not force it: %s", why)
}

// refuse says why forcing does not help. It is said whatever -q.
func (f *Forcer) refuse(v *check.Verdict) {
	level := f.Level
	f.Level = max(level, cli.LevelError)
	defer func() { f.Level = level }()
	f.Errorf("could not insert '%s': %s", v.Module, cli.Strerror(v.Errno))
	for i, finding := range v.Findings {
		if !finding.Fatal || i == 4 {
			break
		}
		text := "forcing does not help: " + finding.Text
		if finding.Advice != "" {
			text += "; " + finding.Advice
		}
		f.Hintf("%s", text)
	}
}

// Because says why the kernel has refused the module in a file, if that is quickly found: what the kernel exports is in the cache or in
// a Module.symvers, and the rules come to the same errno.
func Because(l *cli.Logger, p *modprobe.Prober, file string, flags int, err error) {
	var code syscall.Errno
	if file == "" || l.Level < cli.LevelError || !errors.As(err, &code) {
		return
	}
	switch code {
	case syscall.ENOEXEC, syscall.ENOENT, syscall.EINVAL, syscall.EPERM, errno.EKEYREJECTED:
	default:
		return
	}
	checker, err := check.New(p, &check.Options{Flags: flags, Quick: true, Cached: true, Cache: CacheDir(l.Env)})
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
		l.Hintf("%s", text)
	}
}

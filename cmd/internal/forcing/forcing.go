//go:build !kmod_boot

package forcing

import (
	"errors"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// A Forcer says, before modules are forced into the running kernel, what the kernel will ignore and how it will be
// tainted. The kernel itself says nothing beforehand and little afterwards. This is advice: the load is always tried.
type Forcer struct {
	*cli.Logger
	p       *modprobe.Prober
	checker *check.Checker
	flags   int
	said    map[string]bool // files of which Tell has said why forcing may not help
}

// New returns a forcer for modules that p finds.
func New(l *cli.Logger, p *modprobe.Prober) *Forcer {
	return &Forcer{Logger: l, p: p, said: map[string]bool{}}
}

// Tell says what forcing the modules of a plan means.
func (f *Forcer) Tell(plan modprobe.Plan) {
	if f.Level < cli.LevelError { // -q
		return
	}
	var files []string
	requested := map[string]bool{}
	flags := 0
	for _, s := range plan {
		forced := s.Flags & (modprobe.IgnoreModversions | modprobe.IgnoreVermagic)
		if s.Op == modprobe.OpInsmod && forced != 0 && s.Module.Path != "" && !f.p.State(s.Module.Name).Loaded {
			files = append(files, s.Module.Path)
			requested[s.Module.Path] = requested[s.Module.Path] || s.Requested
			flags = forced
		}
	}
	if len(files) == 0 || !f.ready(flags) {
		return
	}
	all, _ := f.checker.Check(files...) // the load itself reports files that cannot be read
	for _, v := range all {
		if requested[v.Path] || v.Outcome != check.Loads {
			f.tell(v)
		}
	}
}

// ready makes the checker. It reports false if nothing is known of the running kernel.
func (f *Forcer) ready(flags int) bool {
	if f.checker != nil && f.flags == flags {
		return true
	}
	p, err := running(f.p)
	if err != nil {
		return false
	}
	checker, err := check.New(p, &check.Options{Flags: flags, Quick: true, Alone: true, Cache: CacheDir(f.Env)})
	if err != nil {
		return false
	}
	f.checker, f.flags = checker, flags
	return true
}

// running returns a Prober for the running kernel: p itself, if it finds that kernel's modules.
func running(p *modprobe.Prober) (*modprobe.Prober, error) {
	o := p.Options()
	release, err := o.Kernel.Release()
	if err != nil || release == p.Release() && o.Dir == "" {
		return p, err
	}
	return modprobe.New(&modprobe.Options{FS: o.FS, Kernel: o.Kernel, NoConfig: true})
}

// tell says what forcing one module means.
func (f *Forcer) tell(v *check.Verdict) {
	if len(v.Ignored) > 0 {
		f.Hintf("forcing %s; the kernel does not look at %s", v.Module, strings.Join(v.Ignored, "; nor at "))
	}
	if ch := v.Changes; ch != nil && (ch.Class != check.ClassSame || ch.Why == "") {
		text := ch.Summary(v.Module)
		if ch.Advice != "" {
			text += "; to know it: " + ch.Advice
		}
		f.Hintf("%s", text)
	}
	if len(v.Taints) > 0 {
		var words []string
		for _, t := range v.Taints {
			words = append(words, t.Letter+" ("+t.Why+")")
		}
		f.Hintf("this taints the kernel until reboot: %s", strings.Join(words, ", "))
	}
	if v.Hopeless {
		f.said[v.Path] = true
		hints(f.Logger, "forcing may not help: ", v, 4)
	}
}

// Explain says why the kernel has refused the module in a file, if that can be found quickly: the kernel's exports are
// in the cache or in a Module.symvers, and the rules give the same errno. f is the Forcer of the load, nil if it was
// not forced.
func Explain(l *cli.Logger, p *modprobe.Prober, f *Forcer, file string, flags int, err error) {
	var code syscall.Errno
	if f != nil && f.said[file] || file == "" || l.Level < cli.LevelError || !errors.As(err, &code) {
		return
	}
	switch code {
	case syscall.ENOEXEC, syscall.ENOENT, syscall.EINVAL, syscall.EPERM, errno.EKEYREJECTED:
	default:
		return
	}
	if p, err = running(p); err != nil {
		return
	}
	checker, err := check.New(p, &check.Options{
		Flags: flags, Quick: true, Alone: true, Cached: true, Cache: CacheDir(l.Env),
	})
	if err != nil || checker.Source() == "" {
		return
	}
	all, err := checker.Check(file)
	if err != nil || all[0].Outcome != check.Fails || all[0].Errno != code {
		return
	}
	hints(l, "", all[0], 3)
}

// hints shows the first fatal findings of a verdict, and which option would help.
func hints(l *cli.Logger, before string, v *check.Verdict, most int) {
	for i, finding := range v.Findings {
		switch {
		case finding.Kind == check.KindForce: // which option helps
		case !finding.Fatal || i >= most:
			continue
		}
		text := before + finding.Text
		if finding.Advice != "" {
			text += "; " + finding.Advice
		}
		l.Hintf("%s", text)
	}
}

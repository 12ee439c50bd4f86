// Package check says what a kernel would answer to a module, and why it refused one.
package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Options say what a [Checker] compares with. The zero value looks for everything itself.
type Options struct {
	// Image is the boot image of the kernel, an absolute path. Default: where distributions put it. If
	// modprobe.Options.Release is empty, the release is that of the image.
	Image string
	// Symvers is a Module.symvers with the exports of the kernel, an absolute path.
	Symvers string
	// BuiltFor is the kernel that modules were built for, to tell what changed: the absolute path of its boot image
	// or its BTF, or its release. Default: the release that a module names.
	BuiltFor string
	// Flags are modprobe.IgnoreModversions and modprobe.IgnoreVermagic, for a forced load.
	Flags int
	// Quick does not read all modules of the tree, which takes seconds, where there is no boot image.
	Quick bool
	// Cached uses only boot images that are in the Cache.
	Cached bool
	// Cache keeps what was read out of boot images, which takes time. Default: none.
	Cache Cache
	// Progress, if not nil, is called as modules are read for Check, with how many of the names it was given are done.
	Progress func(done, all int)
	// Files keeps what Checkers of many kernels have in common. Default: each reads its own.
	Files *Files
	// Installed judges files as what will be installed: that a module of the name is loaded now does not count.
	Installed bool
	// Brief leaves of Verdict.Changes the class and a sentence, which are kept in the Cache.
	Brief bool
	// Names are the names that Check will be given. Their modules, and what these need, are read while the kernel
	// is read.
	Names []string
	// Params are the parameters that modules are loaded with, "a=1 b=2", by what Check is asked for; the options of
	// modprobe.d come first.
	Params map[string]string
	// Alone judges every load by itself, as insmod makes it: without options and softdeps of modprobe.d.
	Alone bool
}

// Cache keeps data by a key. Both methods may do nothing.
type Cache interface {
	// Get returns the data of a key, or nil.
	Get(key string) []byte
	// Put stores the data of a key, in place of older data.
	Put(key string, data []byte)
}

// Checker compares modules with one kernel. It is for one goroutine at a time.
type Checker struct {
	p      *modprobe.Prober
	opts   modprobe.Options // of p
	fsys   fs.FS            // of p
	o      Options
	k      target
	source string
	notes  []string
	added  *kernel.Table // what modules that are not here export, by a Module.symvers; nil: none
	denied bool          // permission to read a file was denied
	unread unread
	live   bool // the kernel is the running one

	cmp       comparer
	imageRead string            // the boot image that was read for the kernel; "" if it was another source
	fresh     map[string][]byte // types in BTF of boot images that have been read

	learning sync.WaitGroup // done when sample is set, and k has what modules of the kernel tell
	sample   *kernel.Module // one of the kernel's modules; nil if there is none
	lone     *kernel.Module // the same, if it is the only one and nothing confirms it
	before   target         // k without what lone tells

	kept    atomic.Int64                     // bytes of large modules in memory
	ahead   map[string]*kernel.Module        // modules of Options.Names and what they need, by path
	byName  map[string]*kernel.Module        // modules of the tree that were read, by name; nil if there is no such
	tables  map[*kernel.Module]*kernel.Table // what modules export
	offered map[*kernel.Module]bool          // modules that are asked for as files, as insmod loads them
	judged  *kernel.Module                   // the module being checked: its own exports do not count for it
	plans   map[string]modprobe.Plan         // what modprobe does for files, which is told of what is odd there once
	given   map[*kernel.Module]string        // the parameters of modules that are asked for
	inside  map[*kernel.Module]*resident     // modules that are loaded, by those of the tree; nil for one that is not
	set     []*kernel.Module                 // modules checked together: they come before those of the tree
}

// unread names the sources that take seconds and are read only when a verdict depends on them.
type unread struct {
	image   bool // the boot image, which has the keys that the kernel's memory lacks
	modules bool // the modules of the tree, all but one
}

// New gathers what is known of p's kernel: what it exports, from the best source there is (its boot image, its memory
// if it is the running one, a Module.symvers, the versions its modules were built with); the layout of struct module
// and the vermagic, from one of its modules; and, if it is the running kernel, what it enforces. o may be nil.
func New(p *modprobe.Prober, o *Options) (*Checker, error) {
	if o == nil {
		o = new(Options)
	}
	p, image, err := forImage(p, o)
	if err != nil {
		return nil, err
	}
	opts := p.Options()
	c := &Checker{
		p: p, opts: opts, fsys: opts.FS, o: *o,
		byName: map[string]*kernel.Module{}, tables: map[*kernel.Module]*kernel.Table{},
		fresh: map[string][]byte{}, inside: map[*kernel.Module]*resident{}, plans: map[string]modprobe.Plan{},
	}
	c.k.Release = p.Release()
	c.k.Modules, c.k.Taken, c.k.Types = c.provide, c.builtin, c.ownTypes
	if !p.HasSymbols() {
		c.k.Open = true // depmod has not been here
	}
	if err := c.readAll(image); err != nil {
		return nil, err
	}
	if c.k.Vermagic == "" && c.k.Core == nil {
		err := fmt.Errorf("%w: no boot image, no symbol versions and no modules of %s", modprobe.ErrNoTables,
			p.Release())
		return nil, &modprobe.Error{Op: "check", Module: p.Release(), Err: err}
	}
	if c.running() && opts.Dir == "" {
		c.state()
		c.firmware()
	}
	if c.k.Features.Strict == kernel.Maybe {
		c.k.Features.Strict = c.strict()
	}
	return c, nil
}

// Module says what the kernel would answer to the modules that a name, an alias or an absolute path stands for: of
// several the worst. It takes seconds at most; ctx is checked once, at the start. See [New] for more.
func Module(ctx context.Context, p *modprobe.Prober, name string) (*Verdict, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := New(p, nil)
	if err != nil {
		return nil, err
	}
	all, err := c.Check(name)
	if err != nil {
		return nil, err
	}
	best := []Outcome{BuiltIn, Loads, LoadsTaints, Unknown, Fails}
	return slices.MaxFunc(all, func(a, b *Verdict) int {
		return slices.Index(best, a.Outcome) - slices.Index(best, b.Outcome)
	}), nil
}

// Release returns the release of the kernel that modules are compared with.
func (c *Checker) Release() string { return c.p.Release() }

// Exports returns the number of known symbols that the kernel itself exports.
func (c *Checker) Exports() int {
	c.readModules()
	if c.k.Core == nil {
		return 0
	}
	return len(c.k.Core.Symbols())
}

// Source says where the kernel's exports were read from; it is empty if they are not known.
func (c *Checker) Source() string { return c.source }

// Check judges modules, each a name, an alias or an absolute path, as a set: they are offered to the kernel together
// with what they need, and one may need another. A module that needs one that fails, fails too. Verdicts on what is
// built in come first. Names that nothing stands for, and files that cannot be read, are skipped: the error joins
// the reasons.
func (c *Checker) Check(names ...string) ([]*Verdict, error) {
	c.set, c.offered, c.given = nil, map[*kernel.Module]bool{}, map[*kernel.Module]string{}
	var builtin []*Verdict
	var failed []error
	for i, name := range names {
		if c.o.Progress != nil {
			c.o.Progress(i, len(names))
		}
		modules, err := c.modules(name)
		if e := (*modprobe.Error)(nil); errors.As(err, &e) && e.Err == modprobe.ErrBuiltin {
			builtin = append(builtin, &Verdict{Module: e.Module, Release: c.k.Release, Outcome: BuiltIn})
			continue
		}
		if err != nil {
			failed = append(failed, err)
		}
		for _, found := range modules {
			m, err := c.read(found.Path)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			c.offered[m] = found.Path == name && !c.o.Installed
			c.given[m] = c.settings(found) + c.o.Params[name]
			if !slices.ContainsFunc(c.set, func(o *kernel.Module) bool { return o.Path == m.Path }) {
				c.set = append(c.set, m)
			}
		}
	}
	c.verify()
	asked := slices.Clone(c.set)
	verdicts := c.judgeAll(asked)
	if slices.ContainsFunc(verdicts, unsettled) && c.readModules() {
		c.set = slices.Clone(asked)
		verdicts = c.judgeAll(asked)
	}
	c.explainChanges(asked, verdicts)
	verdicts = append(builtin, verdicts...)
	for _, v := range verdicts {
		v.complete()
	}
	return verdicts, errors.Join(failed...)
}

// verify verifies the signatures of the modules to be judged, as far as they are known.
func (c *Checker) verify() {
	signed := func(m *kernel.Module) bool { return m.Signature.Present }
	if c.o.Flags == 0 && slices.ContainsFunc(c.set, signed) {
		c.readKeys()
	}
	list := slices.Clone(c.set)
	for _, m := range c.ahead {
		if m != nil && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	c.k.Verify(list)
}

// unsettled reports whether a verdict may become another one when more of the kernel's exports are known.
func unsettled(v *Verdict) bool {
	file := func(f Finding) bool { return f.Fatal && f.Symbol == "" }
	return v.Outcome != Fails || v.Errno != syscall.ENOEXEC && !slices.ContainsFunc(v.Findings, file)
}

// judgeAll judges a set until no verdict changes.
func (c *Checker) judgeAll(asked []*kernel.Module) []*Verdict {
	verdicts := make([]*Verdict, len(asked))
	for changed := true; changed; {
		changed = false
		for i, m := range asked {
			v := c.judge(m)
			if v.Outcome == Fails && (verdicts[i] == nil || verdicts[i].Outcome != Fails) {
				// Its exports are gone: what needs them is judged again.
				c.set = slices.DeleteFunc(c.set, func(o *kernel.Module) bool { return o == m })
				changed = len(asked) > 1
			}
			verdicts[i] = v
		}
	}
	return verdicts
}

// judge asks the rules about one module, and about the modules of the tree that modprobe loads with it.
func (c *Checker) judge(m *kernel.Module) *Verdict {
	c.judged = m
	defer func(was string) { c.k.Tainted = was }(c.k.Tainted)
	plan := c.planFor(m)
	before := c.loads(plan.before)
	v := c.check(m, c.o.Flags, c.given[m])
	c.describe(v, m)
	seen := map[string]bool{m.Name: true}
	for _, s := range before {
		seen[s.Module] = true
		v.add(s)
		if s.Required && s.Outcome == Fails {
			v.Log, v.MayLog = s.Log, nil // the module itself is not loaded then
		}
	}
	for queue := slices.Clone(v.Needs); len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if seen[name] || c.isAsked(name) || c.loaded(name) {
			continue
		}
		seen[name] = true
		if need := c.module(name); need != nil {
			sub := c.check(need, 0, "")
			queue = append(queue, sub.Needs...)
			v.add(step(name, true, sub))
		}
	}
	if v.Outcome != Fails {
		for _, s := range c.loads(plan.after) {
			s.After = true
			v.add(s)
		}
	}
	v.Notes = append(v.Notes, plan.notes...)
	for _, text := range plan.unknown {
		v.doubt(text)
	}
	return v
}

// isAsked reports whether a module is judged by itself.
func (c *Checker) isAsked(name string) bool {
	return slices.ContainsFunc(c.set, func(o *kernel.Module) bool { return o.Name == name })
}

// describe adds to a verdict what the Checker knows beyond the rules.
func (c *Checker) describe(v *Verdict, m *kernel.Module) {
	name := m.Name
	if name == "" {
		name = alias.FromPath(m.Path)
	}
	v.Module, v.Path, v.Release, v.Source = name, m.Path, c.k.Release, c.source
	v.Ignored = c.k.Ignored(m, c.o.Flags)
	v.Hopeless = v.Outcome == Fails && slices.ContainsFunc(v.Findings, Finding.hopeless)
	v.Notes = slices.Clone(c.notes)
	config := c.p.Config()
	if config.Blacklisted(name) {
		v.Notes = append(v.Notes, "blacklisted in modprobe.d: not loaded by an alias")
	}
	if c.p.Permit(modprobe.Module{Name: name}, &modprobe.PlanOptions{ShowAll: true}).Err() != nil {
		v.Notes = append(v.Notes, "forbidden in modprobe.d: modprobe does not load it")
	}
	if c.loaded(name) {
		note := "a module of this name is loaded already"
		if r := c.resident(m); r != nil && r.other != "" {
			note += ", which is not this file: " + r.other
		}
		v.Notes = append(v.Notes, note)
	}
}

// loaded reports whether a module of that name is in the kernel, which must be the running one.
func (c *Checker) loaded(name string) bool {
	if !c.live {
		return false
	}
	state := c.p.State(name)
	return state.Builtin || state.Live
}

// Package check says what a kernel would answer to a module, and why it refused one.
package check

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Options say what a [Checker] compares with. The zero value looks for everything itself.
type Options struct {
	// Image is the boot image of the kernel, an absolute path. Default: where distributions put it. If
	// modprobe.Options.Release is empty, the image says which kernel is meant.
	Image string
	// Symvers is a Module.symvers to be taken for what the kernel exports, an absolute path.
	Symvers string
	// BuiltFor is the kernel that modules were built for, to tell what changed: the absolute path of its boot image or
	// its BTF, or its release. Default: the release that a module names.
	BuiltFor string
	// Flags are modprobe.IgnoreModversions and modprobe.IgnoreVermagic, for a load that is to be forced.
	Flags int
	// Quick leaves out what takes seconds where there is no boot image: reading all modules of the tree.
	Quick bool
	// Cached leaves boot images alone that the Cache does not have.
	Cached bool
	// Cache keeps what was read out of boot images, which takes time. Default: none.
	Cache Cache
	// Names are what Check will be asked for. They are read, and what they need, while the kernel is.
	Names []string
}

// Cache keeps data by a key. Both methods may do nothing.
type Cache interface {
	// Get returns what was put for the key last, or nil.
	Get(key string) []byte
	// Put keeps data in the place of what was there.
	Put(key string, data []byte)
}

// Outcome is the answer of a kernel to a module, in one word.
type Outcome string

// The outcomes.
const (
	// Loads is that the kernel accepts the module.
	Loads Outcome = "LOADS"
	// LoadsTaints is that it accepts the module and marks itself for it.
	LoadsTaints Outcome = "LOADS, TAINTS"
	// Unknown is that nothing speaks against the module, but not everything could be verified.
	Unknown Outcome = "UNKNOWN"
	// Fails is that it refuses the module.
	Fails Outcome = "FAILS"
	// BuiltIn is that the kernel has the module in itself: there is nothing to load.
	BuiltIn Outcome = "BUILT IN"
)

// Finding is one thing that a check found.
type Finding struct {
	// Kind is what it is about.
	Kind Kind `json:"kind"`
	// Fatal reports that the load fails for it.
	Fatal bool `json:"fatal"`
	// Symbol is the symbol it is about; empty for none.
	Symbol string `json:"symbol,omitempty"`
	// Text says what was found.
	Text string `json:"text"`
	// Advice says what to do about it; empty for nothing more than for an earlier finding.
	Advice string `json:"advice,omitempty"`
}

// Taint is a mark that a load leaves in the kernel.
type Taint struct {
	// Letter is the kernel's letter for it, for instance "E".
	Letter string `json:"letter"`
	// Why says what sets it.
	Why string `json:"why"`
}

// Verdict says what a kernel will answer to a module, up to the module's own init function. As JSON it is what modprobe
// --check --json prints; docs/json.md has a sample.
type Verdict struct {
	// Module is the module's name.
	Module string `json:"module"`
	// Path is its file.
	Path string `json:"path,omitempty"`
	// Release is the kernel's.
	Release string `json:"release,omitempty"`
	// Outcome is the answer.
	Outcome Outcome `json:"outcome"`
	// Errno is the error of a load that fails.
	Errno syscall.Errno `json:"errno,omitempty"`
	// Error is Errno in words, as strerror(3) has them.
	Error string `json:"error,omitempty"`
	// Log holds the lines that the kernel's loader prints, in their order.
	Log []string `json:"log,omitempty"`
	// MayLog holds lines that it prints or not, depending on the machine.
	MayLog []string `json:"may_log,omitempty"`
	// Taints are the marks that are left, even by most loads that fail.
	Taints []Taint `json:"taints"`
	// Findings are the reasons, the most important first.
	Findings []Finding `json:"findings"`
	// NotVerified lists what could not be verified.
	NotVerified []string `json:"not_verified,omitempty"`
	// Needs names the modules that have to be loaded first.
	Needs []string `json:"needs,omitempty"`
	// Notes say what else is known: loaded already, blacklisted, forbidden.
	Notes []string `json:"notes,omitempty"`
	// Source says where the kernel's exports were read from.
	Source string `json:"source,omitempty"`
	// Changes say what differs from the kernel the module was built for, if it fails for that, or is forced.
	Changes *Changes `json:"changes,omitempty"`

	// Ignored says what Options.Flags make the kernel pass over.
	Ignored []string `json:"-"`
	// Hopeless is set if forcing cannot help: the load fails for a reason no flag overrides.
	Hopeless bool `json:"-"`
}

// Checker compares modules with one kernel. It is for one goroutine at a time.
type Checker struct {
	p      *modprobe.Prober
	opts   modprobe.Options // of p
	fsys   fs.FS            // the same
	o      Options
	k      target
	source string
	notes  []string
	added  *kernel.Table // what modules that are not here export, by a Module.symvers; nil: none
	denied bool          // a file could not be read for want of rights
	unread unread
	live   bool // the kernel is the running one

	cmp       comparer
	imageRead string            // the boot image that was read for the kernel; "" if it was another source
	fresh     map[string][]byte // types in BTF of boot images that have been read

	learning sync.WaitGroup // done when sample is set, and k has what modules of the kernel tell
	sample   *kernel.Module // one of the kernel's modules; nil if there is none

	ahead   map[string]*kernel.Module        // modules of Options.Names and what they need, by path
	byName  map[string]*kernel.Module        // modules of the tree that were read, by name; nil if there is no such
	tables  map[*kernel.Module]*kernel.Table // what modules export
	offered map[*kernel.Module]bool          // modules that are asked for as files, as insmod loads them
	judged  *kernel.Module                   // the module whose turn it is: it does not provide for itself
	set     []*kernel.Module                 // modules checked together: they come before those of the tree
}

// unread names the sources that take seconds and are read only when a verdict depends on them.
type unread struct {
	image   bool // the boot image, which has the keys that the kernel's memory lacks
	modules bool // the modules of the tree, all but one
}

// Module says what the kernel would answer to the modules that a name, an alias or an absolute path stands for: of
// several the worst. It takes seconds at most, and looks at ctx before it begins. See [New] for more.
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
// built in come first. Names that nothing stands for, and files that cannot be read, are passed over: the error joins
// what is wrong with each.
func (c *Checker) Check(names ...string) ([]*Verdict, error) {
	c.set, c.offered = nil, map[*kernel.Module]bool{}
	var builtin []*Verdict
	var failed []error
	for _, name := range names {
		files, err := c.files(name)
		if e := (*modprobe.Error)(nil); errors.As(err, &e) && e.Err == modprobe.ErrBuiltin {
			builtin = append(builtin, &Verdict{Module: e.Module, Release: c.k.Release, Outcome: BuiltIn})
			continue
		}
		if err != nil {
			failed = append(failed, err)
		}
		for _, file := range files {
			m, err := c.read(file)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			c.offered[m] = file == name
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

// complete sets what follows from the rest. Lists that a program may count on are [] in JSON, not null.
func (v *Verdict) complete() {
	if v.Errno != 0 {
		v.Error = errno.Text(v.Errno)
	}
	if v.Taints == nil {
		v.Taints = []Taint{}
	}
	if v.Findings == nil {
		v.Findings = []Finding{}
	}
}

// verify verifies the signatures of the modules that are known to be judged.
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
				// Its exports are gone: what counted on them is judged again.
				c.set = slices.DeleteFunc(c.set, func(o *kernel.Module) bool { return o == m })
				changed = len(asked) > 1
			}
			verdicts[i] = v
		}
	}
	return verdicts
}

// files returns the module files that a name stands for, in the order of loading, without what they depend on.
func (c *Checker) files(name string) ([]string, error) {
	if strings.HasPrefix(name, "/") {
		return []string{name}, nil
	}
	modules, err := c.p.Resolve(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, m := range modules {
		if m.Builtin {
			return nil, &modprobe.Error{Op: "check", Module: m.Name, Err: modprobe.ErrBuiltin}
		}
		if m.Path == "" {
			return nil, &modprobe.Error{Op: "check", Module: m.Name, Err: modprobe.ErrNotFound}
		}
		files = append(files, m.Path)
	}
	return files, nil
}

// readAhead reads the modules that names stand for and those that they need, on all processors at once. What cannot be
// found or read is left out: whoever asks for it learns why.
func (c *Checker) readAhead(names []string) map[string]*kernel.Module {
	found := map[string]*kernel.Module{}
	var files []string
	add := func(file string) {
		if _, twice := found[file]; !twice {
			found[file] = nil
			files = append(files, file)
		}
	}
	for _, name := range names {
		asked, _ := c.files(name)
		for _, file := range asked {
			add(file)
			m, _ := c.p.Module(alias.FromPath(file))
			for _, need := range m.Depends {
				if file := c.file(need); file != "" {
					add(file)
				}
			}
		}
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := 0
	for range min(len(files), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < len(files) {
				file := files[next]
				next++
				mu.Unlock()
				m, _ := c.readFile(file)
				mu.Lock()
				found[file] = m
			}
		})
	}
	workers.Wait()
	return found
}

// read reads a module file, if that has not been done ahead.
func (c *Checker) read(file string) (*kernel.Module, error) {
	if m := c.ahead[file]; m != nil {
		return m, nil
	}
	return c.readFile(file)
}

// readFile reads a module file.
func (c *Checker) readFile(file string) (*kernel.Module, error) {
	name, err := sysroot.Name(c.fsys, file)
	if err != nil {
		return nil, err
	}
	image, _, err := compress.ReadFile(c.fsys, name, nil, 0)
	if err != nil {
		return nil, &modprobe.Error{Op: "check", Module: alias.FromPath(file), Path: file, Err: err}
	}
	return kernel.ReadModule(file, image), nil
}

// judge asks the rules about one module, and about the modules of the tree that it needs.
func (c *Checker) judge(m *kernel.Module) *Verdict {
	c.judged = m
	v := c.k.Check(m, c.o.Flags)
	c.describe(v, m)
	seen := map[string]bool{m.Name: true}
	for queue := slices.Clone(v.Needs); len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		if slices.ContainsFunc(c.set, func(o *kernel.Module) bool { return o.Name == name }) {
			continue // judged by itself
		}
		need := c.module(name)
		if need == nil {
			continue
		}
		sub := c.k.Check(need, 0)
		queue = append(queue, sub.Needs...)
		if sub.Outcome != Fails {
			continue
		}
		why := ""
		if len(sub.Findings) > 0 {
			why = ": " + sub.Findings[0].Text
		}
		v.Outcome, v.Errno = Fails, sub.Errno
		v.Log = append(slices.Clone(sub.Log), v.Log...)
		missing := Finding{Kind: KindMissing, Fatal: true, Text: "it needs " + name + ", which fails itself" + why}
		v.Findings = append([]Finding{missing}, v.Findings...)
	}
	return v
}

// describe adds to a verdict of the rules what the Checker knows besides.
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
		v.Notes = append(v.Notes, "a module of this name is loaded already")
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

// module returns a module of the tree by its name, or nil.
func (c *Checker) module(name string) *kernel.Module {
	if m, ok := c.byName[name]; ok {
		return m
	}
	var m *kernel.Module
	if file := c.file(name); file != "" {
		m, _ = c.read(file)
	}
	c.byName[name] = m
	return m
}

// file returns the file of a module of the tree, "" if there is no such module.
func (c *Checker) file(name string) string {
	m, ok := c.p.Module(name)
	if !ok || m.Name != name {
		return "" // or an alias of what is built in
	}
	return m.Path
}

// provide finds a symbol among the modules checked together and those of the tree.
func (c *Checker) provide(symbol string) (kernel.Symbol, bool) {
	for _, m := range c.set {
		if m == c.judged {
			continue
		}
		if e, ok := c.export(m, symbol); ok {
			return e, true
		}
	}
	if owner, ok := c.p.Exporter(symbol); ok {
		if m := c.module(owner); m != nil {
			return c.export(m, symbol)
		}
	}
	if c.added != nil {
		s, answer := c.added.Lookup(symbol)
		return s, answer == kernel.Found
	}
	return kernel.Symbol{}, false
}

// export finds a symbol among what a module exports.
func (c *Checker) export(m *kernel.Module, symbol string) (kernel.Symbol, bool) {
	table := c.tables[m]
	if table == nil {
		table = kernel.NewTable(m.Path, slices.Clone(m.Exports))
		c.tables[m] = table
	}
	s, answer := table.Lookup(symbol)
	return s, answer == kernel.Found
}

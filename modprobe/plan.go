package modprobe

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

// The operations of a Step.
const (
	// OpInsmod inserts a module.
	OpInsmod = "insmod"
	// OpInstall runs an install command instead.
	OpInstall = "install"
	// OpBuiltin does nothing: the module is a part of the kernel.
	OpBuiltin = "builtin"
	// OpRmmod removes a module.
	OpRmmod = "rmmod"
	// OpRemove runs a remove command instead.
	OpRemove = "remove"
)

// Plan is what to do, in order.
type Plan []Step

// Groups yields the steps of each module that was asked for.
func (p Plan) Groups() iter.Seq[Plan] {
	return func(yield func(Plan) bool) {
		for len(p) > 0 {
			n := 1
			for n < len(p) && p[n].Group == p[0].Group {
				n++
			}
			if !yield(p[:n]) {
				return
			}
			p = p[n:]
		}
	}
}

// Step is one thing to do.
type Step struct {
	// Op is what to do: OpInsmod, OpInstall, OpBuiltin, OpRmmod or OpRemove.
	Op string
	// Module is the module to do it with.
	Module Module
	// Params is the text of parameters the kernel gets: those of the configuration, a blank, and, for a module that
	// was asked for, those that were asked for.
	Params string
	// Command is the shell command of OpInstall and OpRemove as it is configured, $CMDLINE_OPTS still in it.
	Command string
	// Group counts the modules that were asked for: an alias may have several, and a step that fails ends the steps
	// of its own group only.
	Group int
	// Requested is set for the module that was asked for, and not for its dependencies.
	Requested bool
	// Last is set in the last of the groups that were asked for; no step of a plan has it if there is nothing to do
	// for the last module. kmod's exit status is that of the last module.
	Last bool
	// Required is set if the group has failed when this step fails. The modules of a softdep are not required.
	Required bool
	// Flags are IgnoreModversions and IgnoreVermagic for OpInsmod, RemoveForce for OpRmmod.
	Flags int
	// FirstTime makes the step fail if there is nothing to do.
	FirstTime bool
	// Wait is how long OpRmmod retries while the module is in use.
	Wait time.Duration
	// Err, if it is not nil, is why the step must fail; nothing is done then. Err of OpRmmod may be ErrInUse.
	Err error
}

// String returns the line that modprobe --show-depends prints for the step: "insmod /lib/modules/… a=1". It is empty
// if there is nothing to print: a module that does not exist.
func (s Step) String() string {
	switch s.Op {
	case OpInsmod:
		if s.Module.Path == "" {
			return ""
		}
		return OpInsmod + " " + s.Module.Path + " " + s.Params
	case OpInstall:
		return OpInstall + " " + s.Command + " " + s.Params
	case OpRemove:
		return OpRemove + " " + expand(s.Command, "")
	default:
		return s.Op + " " + s.Module.Name
	}
}

// PlanOptions change what is planned. The zero value is "modprobe NAME".
type PlanOptions struct {
	// Params are parameters for the module that is asked for, separated by blanks.
	Params string
	// ShowAll plans the steps for modules that are loaded or builtin too, as --show-depends.
	ShowAll bool
	// FirstTime makes it an error that the module is loaded already.
	FirstTime bool
	// IgnoreCommands ignores install commands and softdeps of the module asked for, as --ignore-install.
	IgnoreCommands bool
	// UseBlacklist applies the blacklist to names too, not only to aliases.
	UseBlacklist bool
	// AllowForbidden ignores forbid directives.
	AllowForbidden bool
	// Flags are IgnoreModversions and IgnoreVermagic, for every module that is inserted.
	Flags int
}

// Plan returns the steps that load the modules a name, an alias or an absolute path stands for: what they need,
// their softdeps, themselves. There are none if everything is loaded already. The error is an *Error.
func (p *Prober) Plan(name string, o *PlanOptions) (plan Plan, err error) {
	p.settled(func() { plan, err = p.plan(name, o) })
	return plan, err
}

// plan is Plan, with whatever tables there are.
func (p *Prober) plan(name string, o *PlanOptions) (Plan, error) {
	if o == nil {
		o = new(PlanOptions)
	}
	b := builder{search: newSearch(p), o: o}
	nodes, err := b.find(name)
	if err != nil {
		if n := b.loaded(name); n != nil && !o.ShowAll {
			nodes = []*node{n}
		} else {
			return nil, err
		}
	}
	for i, n := range nodes {
		if err := b.group(i, n); err != nil {
			return nil, err
		}
	}
	for i := range b.plan {
		b.plan[i].Last = b.plan[i].Group == len(nodes)-1
	}
	return b.plan, nil
}

// builder makes a Plan. The order is that of kmod_module_get_probe_list.
type builder struct {
	*search
	o     *PlanOptions
	plan  Plan
	index int   // of the group
	top   *node // the module the group is for

	permission *Permission // for the group
}

// group adds the steps for one module.
func (b *builder) group(i int, n *node) error {
	b.index, b.top = i, n
	if !b.o.ShowAll && b.state(n).inKernel() {
		if b.o.FirstTime {
			b.plan = append(b.plan, Step{
				Op: OpInsmod, Module: n.module(), Group: i, Requested: true, Required: true,
				FirstTime: true, Err: ErrLoaded,
			})
		}
		return nil
	}
	config := b.p.Config()
	if (n.alias != "" || b.o.UseBlacklist) && config.Blacklisted(n.name) {
		b.p.report(&Error{Op: "insert", Module: n.name, Err: ErrBlacklisted})
		return nil
	}
	for _, m := range b.nodes {
		m.visited, m.required = false, false
	}
	b.permission = b.permit(n, b.o)
	if err := b.permission.Err(); err != nil {
		return err
	}
	b.reportLeftOut()
	b.visit(n, true)
	return nil
}

// visit adds a module with what it needs, unless that has been done.
func (b *builder) visit(n *node, top bool) {
	if n.visited {
		return
	}
	n.visited = true
	needs := b.needs(n)
	if top {
		n.required = true
		for _, d := range needs {
			d.required = true
		}
	}
	for _, d := range needs {
		b.addBetween(d, false)
	}
	b.addBetween(n, top && b.o.IgnoreCommands)
}

// addBetween adds a module between its softdeps. alone leaves out these and its install command.
func (b *builder) addBetween(n *node, alone bool) {
	b.p.fill(n)
	if alone {
		b.add(n, true)
		return
	}
	dep := b.p.softdep(n.name)
	pre, post := b.softNodes(dep.Pre), b.softNodes(dep.Post)
	visit := func(nodes []*node) {
		for _, m := range nodes {
			if b.permission.Allows(m.name) {
				b.visit(m, false)
			}
		}
	}
	visit(pre)
	b.add(n, false)
	visit(post)
}

// reportLeftOut tells which softdeps of a group are left out, and why.
func (b *builder) reportLeftOut() {
	if b.permission == nil {
		return
	}
	for _, d := range b.permission.Decisions {
		if !d.Allowed {
			b.p.report(&Error{
				Op: "insert", Module: d.Module, Requested: b.top.name, Err: ErrForbidden, Reason: d.Rule.String(),
				Chain: d.Chain,
			})
		}
	}
}

// add appends the step for one module, if there is something to do.
func (b *builder) add(n *node, alone bool) {
	state := b.state(n)
	if state.inKernel() && !b.o.ShowAll {
		return
	}
	config := b.p.Config()
	step := Step{
		Op: OpInsmod, Module: n.module(), Group: b.index, Requested: n == b.top, Required: n.required,
		Flags: b.o.Flags, FirstTime: n == b.top && b.o.FirstTime,
	}
	if n == b.top {
		step.Params = b.o.Params
	}
	if settings := config.settings(n.name, n.alias); settings != "" {
		step.Params = settings + " " + step.Params // kmod passes the blank on even when nothing follows
	}
	if !alone {
		step.Command = n.install
		if step.Command == "" {
			step.Command = command(config.Install, n.name)
		}
	}
	switch {
	case step.Command != "":
		step.Op = OpInstall
	case n.path == "" && state == builtin:
		step.Op = OpBuiltin
	}
	if step.Op != OpBuiltin && !b.permission.Allows(n.name) {
		return // the tables contradict themselves about what is needed
	}
	b.plan = append(b.plan, step)
}

// Step returns the step that loads a module alone, without its dependencies; false if there is nothing to do.
func (p *Prober) Step(m Module) (Step, bool) {
	n := &node{name: m.Name, alias: m.Alias, filled: true, path: m.Path, builtin: m.Builtin, needs: m.Depends}
	if m.Alias == "" && m.Path == "" {
		for _, found := range p.command(nil, m.Name) { // what Resolve found by a command
			n.install = found.install
		}
	}
	b := builder{search: newSearch(p), o: new(PlanOptions)}
	b.add(n, false)
	if len(b.plan) == 0 || b.plan[0].Op == OpBuiltin {
		return Step{}, false
	}
	return b.plan[0], true
}

// Softdeps returns the modules to load before and after a module, as its softdep directives say. Names
// that stand for nothing are skipped.
func (p *Prober) Softdeps(module string) (pre, post []Module) {
	s := newSearch(p)
	modules := func(names []string) (list []Module) {
		for _, n := range s.softNodes(names) {
			list = append(list, p.module(*n))
		}
		return list
	}
	dep := p.softdep(module)
	return modules(dep.Pre), modules(dep.Post)
}

// notFound returns the error for a name that stands for nothing.
func (p *Prober) notFound() error {
	if !p.hasDir {
		return fmt.Errorf("%w: %w %s", ErrNotFound, ErrNoTables, p.dir)
	}
	return ErrNotFound
}

// expand replaces $CMDLINE_OPTS in a command.
func expand(command, params string) string {
	return strings.ReplaceAll(command, "$CMDLINE_OPTS", params)
}

package modprobe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/errno"
)

// RemoveOptions change what is planned for removal. The zero value is "modprobe -r NAME".
type RemoveOptions struct {
	// ShowAll plans the steps as if everything was loaded and unused, as --show-depends.
	ShowAll bool
	// IgnoreCommands ignores remove commands and softdeps, as --ignore-remove.
	IgnoreCommands bool
	// FirstTime makes it an error that the module is not loaded.
	FirstTime bool
	// Holders removes the modules that use it first, as --remove-holders.
	Holders bool
	// Wait is how long to retry while the module is in use, as --wait.
	Wait time.Duration
	// Flags may be RemoveForce.
	Flags int
}

// PlanRemove returns the steps that remove the modules a name or an alias stands for: what softdeps load after them,
// themselves, what they needed and nothing else needs, users before what they use, and what softdeps load before them.
// Steps that cannot succeed are in the plan with Step.Err, which is ErrInUse, ErrBuiltin or ErrNotLoaded. The error
// is an *Error that wraps ErrNotFound.
func (p *Prober) PlanRemove(name string, o *RemoveOptions) (plan Plan, err error) {
	p.settled(func() { plan, err = p.planRemove(name, o) })
	return plan, err
}

// planRemove is PlanRemove, with whatever tables there are.
func (p *Prober) planRemove(name string, o *RemoveOptions) (Plan, error) {
	if o == nil {
		o = new(RemoveOptions)
	}
	b := remover{search: newSearch(p), o: o, gone: make(map[string]bool)}
	p.base() // reports mistakes in the configuration, whatever the name is
	nodes := b.lookup(name)
	if n := b.loaded(name); nodes == nil && n != nil {
		nodes = []*node{n}
	}
	if nodes == nil {
		return nil, &Error{Op: "remove", Module: name, Err: p.notFound()}
	}
	for i, n := range nodes {
		b.index = i
		b.module(n, role{requested: true, required: true})
	}
	return b.plan, nil
}

// remover makes a Plan for removal.
type remover struct {
	*search
	o     *RemoveOptions
	plan  Plan
	index int
	gone  map[string]bool // removed by a step of the plan
}

// role is why a module is removed.
type role struct{ requested, required bool }

// module adds the steps for a module, what its softdeps load, and what it needs.
func (b *remover) module(n *node, as role) {
	if n.visited && !as.requested || b.gone[n.name] {
		return
	}
	n.visited = true
	b.p.fill(n)
	var dep Softdep
	command := ""
	if !b.o.IgnoreCommands {
		dep = b.p.softdep(n.name)
		command = b.removeCommand(n)
	}
	step := Step{
		Op: OpRmmod, Module: n.module(), Group: b.index, Requested: as.requested, Required: as.required,
		Flags: b.o.Flags, FirstTime: as.requested && b.o.FirstTime,
	}
	if command == "" && !b.o.ShowAll && b.absent(&step) {
		return
	}
	pre, post := b.softNodes(dep.Pre), b.softNodes(dep.Post)
	b.softdeps(post)
	if b.o.Holders && as.required {
		b.holders(n)
	}
	switch {
	case command != "":
		step.Op, step.Command = OpRemove, command
	case b.o.Wait > 0 && as.requested:
		step.Wait = b.o.Wait
	case !b.o.ShowAll && b.users(n.name) > 0:
		step.Err = ErrInUse
		b.plan = append(b.plan, step)
		return
	}
	b.plan = append(b.plan, step)
	if command == "" {
		b.gone[n.name] = true
		b.unneeded(n)
	}
	b.softdeps(pre)
}

// removeCommand returns the remove command of a module, if it has one.
func (b *remover) removeCommand(n *node) string {
	if n.remove != "" {
		return n.remove
	}
	return command(b.p.base().Remove, n.name)
}

// absent reports that there is nothing to remove, and adds the step that says so where that is a failure.
func (b *remover) absent(step *Step) bool {
	switch b.p.state(step.Module.Name) {
	case builtin:
		if !step.Requested {
			return true
		}
		step.Err = ErrBuiltin
	case notLoaded:
		if !step.FirstTime {
			return true
		}
		step.Err = ErrNotLoaded
	default:
		return false
	}
	b.plan = append(b.plan, *step)
	return true
}

// softdeps removes the modules of a softdep, the last one first. It is no failure if that is not possible.
func (b *remover) softdeps(nodes []*node) {
	for _, n := range slices.Backward(nodes) {
		b.module(n, role{})
	}
}

// holders removes what uses a module, the last one first.
func (b *remover) holders(n *node) {
	for _, name := range slices.Backward(b.p.Holders(n.name)) {
		b.module(b.node(name, ""), role{required: true})
	}
}

// unneeded removes what a module needed and nothing else needs, users before what they use.
func (b *remover) unneeded(n *node) {
	for _, d := range slices.Backward(b.needs(n)) {
		if b.gone[d.name] || b.users(d.name) != 0 {
			continue
		}
		b.gone[d.name] = true
		b.p.fill(d)
		b.plan = append(b.plan, Step{Op: OpRmmod, Module: d.module(), Group: b.index})
	}
}

// users returns how many users a module will have after the steps of the plan. A kernel that does not count, and a
// module that is not loaded, have -1.
func (b *remover) users(name string) int {
	n, ok := b.p.refcount(name)
	if !ok {
		return -1
	}
	for _, holder := range b.p.Holders(name) {
		if b.gone[strings.ReplaceAll(holder, "-", "_")] {
			n--
		}
	}
	return n
}

// busy reports whether a module that is removed only because nothing needs it is in use after all, or gone.
func (p *Prober) busy(s *Step) bool {
	n, ok := p.refcount(s.Module.Name)
	return !ok || n > 0
}

// remove removes one module. That it is gone already is an error only with FirstTime.
func (r *runner) remove(s *Step) error {
	if _, ok := r.p.refcount(s.Module.Name); !ok {
		return nil // gone, or this kernel unloads nothing
	}
	err := r.p.kernel.DeleteModule(s.Module.Name, s.Flags)
	deadline := time.Now().Add(s.Wait)
	for pause := time.Millisecond; errors.Is(err, errno.EAGAIN) && s.Wait > 0; pause *= 2 {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		if err := sleep(r.ctx, min(pause, left)); err != nil {
			return err
		}
		err = r.p.kernel.DeleteModule(s.Module.Name, s.Flags)
	}
	if errors.Is(err, syscall.EEXIST) {
		r.p.report(&Error{Op: "remove", Module: s.Module.Name, Err: err})
		if s.FirstTime {
			return ErrNotLoaded
		}
		return nil
	}
	return err
}

// sleep waits, or fails when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

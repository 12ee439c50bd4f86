package modprobe

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Run carries a plan out. A step for a module that has been loaded, or is gone, in the meantime is passed over. A step
// that fails and is Required ends its group; the other groups are still run, and Run returns what failed. What fails
// and is not Required goes to Options.Log.
func (p *Prober) Run(ctx context.Context, plan Plan) error {
	r := runner{p: p, ctx: ctx}
	defer r.close()
	var failed []error
	for len(plan) > 0 {
		n := 1
		for n < len(plan) && plan[n].Group == plan[0].Group {
			n++
		}
		if err := r.group(plan[:n]); err != nil {
			failed = append(failed, err)
		}
		plan = plan[n:]
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}
	return errors.Join(failed...)
}

// runner is one Run.
type runner struct {
	p   *Prober
	ctx context.Context
	log Log // the kernel's, opened at the first insertion; nil if there is none

	listening bool
}

func (r *runner) close() {
	if r.log != nil {
		r.log.Close()
	}
}

// group carries out the steps for one module that was asked for.
func (r *runner) group(steps []Step) error {
	requested := ""
	for i := range steps {
		if s := &steps[i]; s.Requested {
			requested = s.Module.Name
			if s.Op == OpInsmod && !s.FirstTime && s.Group > 0 && r.p.state(requested).inKernel() {
				return nil // a group before this one has loaded it
			}
		}
	}
	for i := range steps {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		err := r.step(&steps[i], requested)
		if err == nil {
			continue
		}
		if steps[i].Required {
			return err
		}
		r.p.report(err)
	}
	return nil
}

// step carries out one step. The error is an *Error.
func (r *runner) step(s *Step, requested string) error {
	op := "insert"
	if s.Op == OpRmmod || s.Op == OpRemove {
		op = "remove"
	}
	fail := func(err error) error {
		if err == nil {
			return nil
		}
		e := &Error{Op: op, Module: s.Module.Name, Requested: requested, Path: s.Module.Path, Err: err}
		if op == "insert" && s.Op == OpInsmod {
			e.Reason = r.reason(s, err)
		}
		return e
	}
	if s.Err != nil {
		return fail(s.Err)
	}
	switch s.Op {
	case OpRmmod:
		if !s.Requested && r.p.busy(s) {
			return nil
		}
	case OpInsmod, OpInstall:
		if r.p.state(s.Module.Name).inKernel() {
			if s.FirstTime {
				return fail(ErrLoaded)
			}
			return nil
		}
	}
	if r.p.opts.Step != nil {
		r.p.opts.Step(*s)
	}
	switch s.Op {
	case OpInsmod:
		return fail(r.insert(s))
	case OpInstall, OpRemove:
		return fail(r.command(s))
	case OpRmmod:
		return fail(r.remove(s))
	}
	return nil
}

// insert loads one module. That it is loaded already is no error, except at FirstTime.
func (r *runner) insert(s *Step) error {
	if s.Module.Path == "" {
		return errNoFile
	}
	name, err := sysroot.Name(r.p.fsys, s.Module.Path)
	if err != nil {
		return err
	}
	f, err := r.p.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r.listen()
	err = r.p.Insmod(f, s.Params, s.Flags)
	switch {
	case errors.Is(err, syscall.EEXIST):
		if s.FirstTime {
			return ErrLoaded
		}
		return nil
	case errors.Is(err, syscall.EBUSY) && r.p.state(s.Module.Name) == live:
		return nil // another process was quicker
	}
	return err
}

// errNoFile is that a module asked for by an alias of the configuration does not exist.
var errNoFile error = &condition{"no file for this module", fs.ErrNotExist}

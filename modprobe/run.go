package modprobe

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Run carries a plan out. Steps for modules that were loaded or removed in the meantime are skipped. A step
// that fails and is Required ends its group; the other groups are still run, and Run returns what failed. What fails
// and is not Required goes to Options.Log.
func (p *Prober) Run(ctx context.Context, plan Plan) error {
	r := runner{p: p, ctx: ctx}
	defer r.close()
	var failed []error
	for group := range plan.Groups() {
		if err := r.group(group); err != nil {
			failed = append(failed, err)
		}
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
	said      []string // lines of the kernel's log since the last insertion began
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
			if s.Op == OpInsmod && !s.FirstTime && s.Group > 0 && r.inKernel(s) {
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

// inKernel reports whether the module of a step is in the kernel by now. A module with a file is not builtin: the plan
// has decided that.
func (r *runner) inKernel(s *Step) bool {
	if s.Module.Path != "" {
		return r.p.fileState(s.Module.Name).inKernel()
	}
	return r.p.state(s.Module.Name).inKernel()
}

// step carries out one step. The error is an *Error.
func (r *runner) step(s *Step, requested string) error {
	return r.stepError(s, requested, r.do(s))
}

// do carries out one step.
func (r *runner) do(s *Step) error {
	if s.Err != nil {
		return s.Err
	}
	switch s.Op {
	case OpRmmod:
		if !s.Requested && r.p.busy(s) {
			return nil
		}
	case OpInsmod, OpInstall:
		if r.inKernel(s) {
			if s.FirstTime {
				return ErrLoaded
			}
			return nil
		}
	}
	if r.p.opts.Step != nil {
		r.p.opts.Step(*s)
	}
	switch s.Op {
	case OpInsmod:
		return r.insert(s)
	case OpInstall, OpRemove:
		return r.command(s)
	case OpRmmod:
		return r.remove(s)
	}
	return nil
}

// stepError returns the *Error for a step that failed with err, and nil for nil.
func (r *runner) stepError(s *Step, requested string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: "insert", Module: s.Module.Name, Requested: requested, Path: s.Module.Path, Err: err}
	switch s.Op {
	case OpRmmod, OpRemove:
		e.Op = "remove"
	case OpInsmod:
		e.Reason = r.reason(s, err)
	}
	return e
}

// insert loads one module. That it is loaded already is an error only with FirstTime.
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
	err = r.insmod(f, s.Params, s.Flags)
	switch {
	case errors.Is(err, syscall.EEXIST):
		if s.FirstTime {
			return ErrLoaded
		}
		return nil
	case errors.Is(err, syscall.EBUSY) && r.p.state(s.Module.Name) == live:
		return nil // another process has loaded it
	}
	return err
}

// errNoFile reports that a module asked for by an alias of the configuration does not exist.
var errNoFile error = &condition{"no file for this module", fs.ErrNotExist}

package modprobe

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// prints reports whether the steps of a plan are printed.
func (r *modprobeRun) prints() bool { return r.verbose > cli.LevelWarning || r.load.ShowAll }

// step prints a step before it is carried out.
func (r *modprobeRun) step(s modprobe.Step) {
	if r.prints() && !r.json {
		if line := s.String(); line != "" {
			r.out.Line(line)
		}
	}
	if !r.dryRun {
		r.out.Flush() // before the output of a command, or a message
	}
}

// operand returns an operand for the library: paths become absolute.
func (r *modprobeRun) operand(operand string) (string, error) {
	if isPath(operand) {
		return cli.Absolute(r.Env, operand)
	}
	return operand, nil
}

// insertAll is -a: every operand by itself, and no parameters.
func (r *modprobeRun) insertAll(operands []string) (status int) {
	var plans []modprobe.Plan
	for _, operand := range operands {
		plan, failed := r.insertOne(operand, "")
		status |= failed
		plans = append(plans, plan)
	}
	r.printJSON(plans...)
	return status
}

// insert is modprobe NAME.
func (r *modprobeRun) insert(operand, params string) int {
	plan, status := r.insertOne(operand, params)
	r.printJSON(plan)
	return status
}

// insertOne inserts the modules for an operand, or only shows them.
func (r *modprobeRun) insertOne(operand, params string) (modprobe.Plan, int) {
	if r.resolve {
		return nil, r.resolveOne(operand)
	}
	name, err := r.operand(operand)
	var plan modprobe.Plan
	if err == nil {
		options := r.load
		options.Params = params
		plan, err = r.p.Plan(name, &options)
	}
	if err != nil {
		r.fail(operand, err)
		return nil, 1
	}
	status := 0
	for group := range plan.Groups() {
		status = r.group(group)
		r.judge(group, params)
	}
	if len(plan) > 0 && !plan[len(plan)-1].Last {
		status = 0 // nothing was to be done for the last module: that is its status
	}
	return plan, status
}

// group inserts one module. Its status is that of the operand if no other module follows: that is kmod's rule.
func (r *modprobeRun) group(plan modprobe.Plan) int {
	if r.dryRun {
		for _, s := range plan {
			if s.Err != nil {
				r.fail("", &modprobe.Error{Op: "insert", Module: s.Module.Name, Err: s.Err})
				return 1
			}
			r.step(s)
		}
		return 0
	}
	if !r.tellForced(plan) {
		return 1
	}
	if err := r.p.Run(context.Background(), plan); err != nil {
		r.fail("", err)
		return 1
	}
	return 0
}

// resolveOne is -R: the names of the modules.
func (r *modprobeRun) resolveOne(operand string) int {
	name, err := r.operand(operand)
	var modules []modprobe.Module
	if err == nil {
		modules, err = r.p.Resolve(name)
	}
	if r.json {
		r.found = append(r.found, newFoundJSON(operand, modules))
	}
	if err != nil {
		r.fail(operand, err)
		return 1
	}
	if !r.json {
		for _, m := range modules {
			r.out.Line(m.Name)
		}
	}
	return 0
}

// removeAll is -r.
func (r *modprobeRun) removeAll(operands []string) (status int) {
	var plans []modprobe.Plan
	for _, operand := range operands {
		plan, err := r.p.PlanRemove(operand, &r.drop)
		if err != nil {
			r.missing("Module %s not found.", operand)
			r.hintNotFound(operand, err)
			status = 1
			if !r.all && r.Level >= cli.LevelFatal {
				break
			}
			continue
		}
		plans = append(plans, plan)
		failed, stop := r.removeOne(plan)
		status |= failed
		if stop {
			break
		}
	}
	r.printJSON(plans...)
	return status
}

// removeOne carries out a plan for one operand. stop is set after a FATAL message, which ends everything.
func (r *modprobeRun) removeOne(plan modprobe.Plan) (status int, stop bool) {
	for _, s := range plan {
		required := s.Required
		s.Required, s.Group = true, 0
		var err error
		switch {
		case !r.dryRun:
			err = r.p.Run(context.Background(), modprobe.Plan{s})
		case s.Err != nil:
			err = &modprobe.Error{Op: "remove", Module: s.Module.Name, Err: s.Err}
		default:
			r.step(s)
		}
		if err == nil {
			continue
		}
		if fatal := r.fail(s.Module.Name, err); fatal && !r.all && r.Level >= cli.LevelFatal {
			return 1, true
		}
		if required {
			return 1, false
		}
	}
	return 0, false
}

// missing shows a message that is FATAL, or only a WARNING with -a.
func (r *modprobeRun) missing(format string, args ...any) {
	if r.all {
		r.Warningf(format, args...)
		return
	}
	r.Fatalf(format, args...)
}

// shell runs an install or remove command. A modprobe in it gets our options by MODPROBE_OPTIONS.
func (r *modprobeRun) shell(_ context.Context, command, module string) error {
	const nested = "GOMODPROBE_COMMANDS" // the modules whose commands are running
	outer := r.Env.Getenv(nested)
	const most = 8
	same := slices.DeleteFunc(strings.Fields(outer), func(m string) bool { return m != module })
	if len(same) >= most {
		return &modprobe.CommandError{Code: -1, Err: modprobe.ErrRecursion}
	}
	options := r.Env.Getenv("MODPROBE_OPTIONS")
	for _, word := range r.environ {
		if strings.ContainsAny(word, " \t") {
			word = "'" + word + "'"
		}
		options = strings.TrimLeft(options+" "+word, " ")
	}
	variables := []string{"MODPROBE_MODULE=" + module, nested + "=" + strings.TrimLeft(outer+" "+module, " ")}
	if options != "" {
		variables = append(variables, "MODPROBE_OPTIONS="+options)
	}
	return r.Env.Shell(command, variables)
}

// errReported reports a failure whose message has been shown.
var errReported = errors.New("reported already")

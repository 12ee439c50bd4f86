package modprobe

import (
	"context"
	"errors"
	"os"
	"path"
	"strings"
)

// command runs the install or remove command of a step.
func (r *runner) command(s *Step) error {
	params := s.Params
	if s.Op == OpRemove {
		params = ""
	}
	text := expand(s.Command, params)
	var err error
	switch trivial(text) {
	case "true":
	case "false":
		err = &CommandError{Code: 1}
	default:
		err = r.p.opts.Shell(r.ctx, text, s.Module.Name)
	}
	if err == nil {
		return nil
	}
	var e *CommandError
	if !errors.As(err, &e) {
		e = &CommandError{Code: -1, Err: err}
	}
	return &CommandError{Op: s.Op, Command: text, Module: s.Module.Name, Code: e.Code, Err: e.Err}
}

// trivial returns "true" or "false" for a command that is nothing else, and "" for others, so that the usual way to
// disable a module needs no shell.
func trivial(command string) string {
	switch strings.Trim(command, " ") {
	case "/bin/true", "/usr/bin/true", "true", ":":
		return "true"
	case "/bin/false", "/usr/bin/false", "false":
		return "false"
	}
	return ""
}

// Shell runs a command by /bin/sh on the standard streams of this process, with MODPROBE_MODULE=module added to its
// environment. The error is a *CommandError with Code and Err.
func Shell(ctx context.Context, command, module string) error {
	// The shell sets the variable: this package does not read the environment.
	const script = `MODPROBE_MODULE=$1; export MODPROBE_MODULE; eval "$2"`
	return Exec(ctx, nil, "/bin/sh", "-c", script, "sh", module, command)
}

// NoShell runs no command: it fails with ErrOtherRoot. It is for the configuration of another root folder, whose owner
// must not become root on this machine.
func NoShell(context.Context, string, string) error {
	return &CommandError{Code: -1, Err: ErrOtherRoot}
}

// Exec runs a program on the standard streams of this process, with the environment env, or the one of this process if
// it is nil. The error is a *CommandError with Code and Err.
func Exec(ctx context.Context, env []string, program string, args ...string) error {
	child, err := os.StartProcess(program, append([]string{path.Base(program)}, args...), &os.ProcAttr{
		Env:   env,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return &CommandError{Code: -1, Err: err}
	}
	stop := context.AfterFunc(ctx, func() { child.Kill() })
	defer stop()
	state, err := child.Wait()
	if err != nil {
		return &CommandError{Code: -1, Err: err}
	}
	if status, ok := state.Sys().(interface{ Signaled() bool }); ok && status.Signaled() {
		return &CommandError{Code: -1, Err: errors.New(state.String())}
	}
	if code := state.ExitCode(); code != 0 {
		return &CommandError{Code: code}
	}
	return nil
}

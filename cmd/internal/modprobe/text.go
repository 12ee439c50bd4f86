package modprobe

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// fail shows why an operand failed, in kmod's words first. It reports whether these were FATAL.
func (r *modprobeRun) fail(operand string, err error) (fatal bool) {
	if err == errReported {
		return false
	}
	r.out.Flush()
	var e *modprobe.Error
	if !errors.As(err, &e) {
		r.Errorf("%s", cli.Strerror(err))
		return false
	}
	r.refused(operand, err)
	switch {
	case e.Op == "resolve" && e.Path != "":
		r.missing("Failed to get module from path %s: %s", operand, cli.Strerror(e.Err))
		return true
	case e.Op == "resolve":
		r.missing("Module %s not found in directory %s", operand, r.p.Dir())
		r.hintNotFound(operand, e.Err)
		return true
	case e.Op == "remove":
		return r.failRemove(e)
	}
	r.failInsert(e)
	return false
}

// failInsert shows why a module was not inserted. The message names the module that was asked for.
func (r *modprobeRun) failInsert(e *modprobe.Error) {
	name := e.Requested
	if name == "" {
		name = e.Module
	}
	r.detail(e)
	r.Errorf("could not insert '%s': %s", name, insertText(e.Err))
	reason := e.Reason
	switch {
	case errors.Is(e.Err, modprobe.ErrForbidden):
		reason = "loading " + e.Module + " is forbidden " + e.Reason + needsText(e.Chain) +
			"; --allow-forbidden overrides"
	case errors.Is(e.Err, modprobe.ErrOtherRoot):
		reason = "with --root, commands are not run: they are those of " + r.root +
			", and would run here; --ignore-install inserts the module without it"
	case noShell(e.Err):
		reason = "there is no /bin/sh here to run the command; --ignore-install inserts the module without it"
	case name != e.Module && reason != "":
		reason = e.Module + ", which it needs: " + reason
	case name != e.Module && !isCommand(e.Err):
		reason = e.Module + ", which it needs, was not inserted: " + cli.Strerror(e.Err)
	}
	if reason == "" && e.Path != "" && errors.Is(e.Err, fs.ErrNotExist) && isPathError(e.Err) {
		reason = "the file " + e.Path + " does not exist; run depmod if modules have changed"
	}
	if reason != "" {
		r.Hintf("%s", reason)
	}
	if !errors.Is(e.Err, modprobe.ErrForbidden) && !isCommand(e.Err) {
		forcing.Explain(r.Logger, r.p, r.forcer, e.Path, r.load.Flags, e.Err)
	}
}

// needsText says who of a chain of modules needs whom, after a semicolon; "" for a chain of one.
func needsText(chain []string) string {
	if len(chain) < 2 {
		return ""
	}
	text := "; " + chain[0] + " needs " + chain[1]
	for _, module := range chain[2:] {
		text += ", which needs " + module
	}
	return text
}

// insertText is what kmod says about an error of finit_module.
func insertText(err error) string {
	switch {
	case errors.Is(err, modprobe.ErrLoaded):
		return "Module already in kernel"
	case errors.Is(err, modprobe.ErrForbidden):
		return "Operation not permitted"
	case isCommand(err):
		return cli.Strerror(syscall.EINVAL)
	case errors.Is(err, fs.ErrNotExist):
		return "Unknown symbol in module, or unknown parameter (see dmesg)"
	}
	return cli.ErrnoText(err)
}

// isCommand reports whether an error is that of an install or remove command.
func isCommand(err error) bool {
	var e *modprobe.CommandError
	return errors.As(err, &e)
}

// noShell reports whether a command was not run because there is no /bin/sh.
func noShell(err error) bool {
	var e *modprobe.CommandError
	return errors.As(err, &e) && e.Err != nil && errors.Is(e.Err, fs.ErrNotExist)
}

// isPathError reports whether an error is about a file, and not the kernel's answer.
func isPathError(err error) bool {
	var e *fs.PathError
	return errors.As(err, &e)
}

// detail shows the message that kmod's library puts before the one of modprobe.
func (r *modprobeRun) detail(e *modprobe.Error) {
	var c *modprobe.CommandError
	switch {
	case errors.As(e.Err, &c) && c.Err != nil && c.Op == "install":
		r.Errorf("Could not run install command '%s' for module %s: %s", c.Command, c.Module,
			cli.Strerror(c.Err))
	case errors.As(e.Err, &c) && c.Op == "install":
		r.Errorf("Error running install command '%s' for module %s: retcode %d", c.Command, c.Module, c.Code)
	case e.Path == "" && e.Op == "insert" && errors.Is(e.Err, fs.ErrNotExist):
		r.Errorf("could not find module by name='%s'", e.Module)
	}
}

// failRemove shows why a module was not removed.
func (r *modprobeRun) failRemove(e *modprobe.Error) (fatal bool) {
	switch {
	case errors.Is(e.Err, modprobe.ErrInUse):
		r.missing("Module %s is in use.", e.Module)
		if users := r.p.Holders(e.Module); len(users) > 0 {
			r.Hintf("%s is used by %s; --remove-holders removes them first", e.Module,
				strings.Join(users, " "))
		}
	case errors.Is(e.Err, modprobe.ErrBuiltin):
		r.missing("Module %s is builtin.", e.Module)
	case errors.Is(e.Err, modprobe.ErrNotLoaded):
		r.missing("Module %s is not in kernel.", e.Module)
	case isCommand(e.Err):
		r.missing("Error running remove command for %s", e.Module)
		if errors.Is(e.Err, modprobe.ErrOtherRoot) {
			r.Hintf("with --root, commands are not run: they are those of %s, and would run here", r.root)
		}
	default:
		r.Errorf("could not remove '%s': %s", e.Module, cli.ErrnoText(e.Err))
		return false
	}
	return true
}

// report shows a problem that the library has skipped.
func (r *modprobeRun) report(err error) {
	var config *modprobe.ConfigError
	var table *modprobe.TableError
	var state *modprobe.StateError
	var name *modprobe.NameError
	var e *modprobe.Error
	switch {
	case errors.As(err, &config):
		r.reportConfig(config)
	case errors.As(err, &table):
		r.Warningf("%s", table)
	case errors.As(err, &state):
		r.Errorf("unknown %s: '%s'", state.File, state.Text)
	case errors.As(err, &name):
		r.Errorf("failed to lookup dependency '%s', continuing anyway.", name.Name)
	case errors.As(err, &e) && errors.Is(e.Err, modprobe.ErrBlacklisted):
		r.Logf(cli.LevelInfo, "Module %s is blacklisted: not inserted", e.Module)
	case errors.As(err, &e) && errors.Is(e.Err, modprobe.ErrForbidden):
		r.refused("", err)
		r.Logf(cli.LevelInfo, "Module %s is forbidden %s%s: not inserted", e.Module, e.Reason, needsText(e.Chain))
	case errors.As(err, &e) && e.Op == "remove":
		r.Errorf("could not remove '%s': %s", e.Module, cli.ErrnoText(e.Err))
	case errors.As(err, &e):
		r.detail(e)
	}
}

// reportConfig shows that a line, or a file, of the configuration is skipped. It does so even with -q, as kmod does,
// which reads the configuration before -q has an effect.
func (r *modprobeRun) reportConfig(e *modprobe.ConfigError) {
	kind := "command"
	if e.Text == "allow" {
		kind = "line"
	}
	level := r.Level
	r.Level = max(level, cli.LevelError)
	defer func() { r.Level = level }()
	switch {
	case e.File == "/proc/cmdline":
		r.Errorf("Ignoring bad option on kernel command line while parsing module name: '%s'", e.Text)
	case errors.Is(e.Err, modprobe.ErrDeprecated):
		r.Errorf("%s: command %s is deprecated and not parsed anymore", e.File, e.Text)
	case errors.Is(e.Err, modprobe.ErrDirective):
		r.Errorf("%s line %d: ignoring bad line starting with '%s'", e.File, e.Line, e.Text)
	case errors.Is(e.Err, modprobe.ErrUntrusted):
		r.Errorf("%s line %d: ignoring %s %s: others than root can write this file or replace it", e.File,
			e.Line, e.Text, kind)
	case errors.Is(e.Err, confd.ErrDirectory):
		r.Errorf("Directories inside directories are not supported: %s", e.File)
	case errors.Is(e.Err, fs.ErrNotExist), isPathError(e.Err):
		r.Errorf("Cannot stat directory entry: %s", e.File)
	default:
		r.Errorf("%s", e)
	}
}

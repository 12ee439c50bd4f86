package modprobe

import (
	"fmt"
	"io/fs"
	"syscall"
)

// Conditions that errors of this package wrap; test for them with errors.Is.
var (
	// ErrNotFound reports that no module, alias or command has the name. Also fs.ErrNotExist.
	ErrNotFound error = &condition{"no such module or alias", fs.ErrNotExist}
	// ErrNoTables reports that there is no module tree for the kernel's release. Also fs.ErrNotExist.
	ErrNoTables error = &condition{"no module tree", fs.ErrNotExist}
	// ErrLoaded reports that the module is loaded already and FirstTime was asked for. Also fs.ErrExist.
	ErrLoaded error = &condition{"module already in the kernel", fs.ErrExist}
	// ErrNotLoaded reports that the module to be removed is not loaded. Also fs.ErrNotExist.
	ErrNotLoaded error = &condition{"module not loaded", fs.ErrNotExist}
	// ErrInUse reports that something uses the module to be removed.
	ErrInUse error = &condition{text: "module in use"}
	// ErrBuiltin reports that the module is a part of the kernel and cannot be removed.
	ErrBuiltin error = &condition{text: "module is builtin"}
	// ErrBlacklisted reports that a blacklist directive keeps the module from being loaded by an alias.
	ErrBlacklisted error = &condition{text: "blacklisted"}
	// ErrForbidden reports that a forbid directive keeps the module from being loaded at all. Also
	// fs.ErrPermission.
	ErrForbidden error = &condition{"forbidden", fs.ErrPermission}
	// ErrDirective reports that a line of configuration has an unknown directive or lacks arguments.
	ErrDirective error = &condition{text: "unknown or incomplete directive"}
	// ErrDeprecated reports that a line of configuration has a directive that is not read any more.
	ErrDeprecated error = &condition{text: "directive not read any more"}
	// ErrNotRead reports that a line stands in a file of modprobe.d that is not read.
	ErrNotRead error = &condition{text: "the file is not read: its name does not end in .conf"}
	// ErrUntrusted reports that users other than root can write, or replace, the file that has an install, remove or
	// allow line. Also fs.ErrPermission.
	ErrUntrusted error = &condition{"line in a file that others than root can write or replace", fs.ErrPermission}
	// ErrOtherRoot reports that an install or remove command belongs to a root folder that is not this machine's.
	// Also fs.ErrPermission.
	ErrOtherRoot error = &condition{"a command of another root folder is not run on this machine", fs.ErrPermission}
	// ErrRecursion reports that an install or remove command has started itself again.
	ErrRecursion error = &condition{text: "command runs itself again and again; " +
		"it needs --ignore-install or --ignore-remove"}
)

// condition is an error that errors.Is may take for another one as well.
type condition struct {
	text string
	is   error
}

// Error returns the text.
func (c *condition) Error() string { return c.text }

// Is reports whether target is the error that the condition counts as.
func (c *condition) Is(target error) bool { return c.is != nil && target == c.is }

// Error is a failure to do something with a module.
type Error struct {
	// Op is what was to be done: "insert", "remove", "resolve" or "check".
	Op string
	// Module is the name of the module it failed for.
	Module string
	// Requested is the module that was asked for, when Module is one of its dependencies.
	Requested string
	// Path is the module's file, if it is known.
	Path string
	// Err is the cause: an errno, a [CommandError], or one of the conditions of this package.
	Err error
	// Reason says in plain words why, as far as it is known; the kernel's own words come first.
	Reason string
	// Chain leads from the module that was asked for to Module, if a forbid line was the cause; both are in it.
	Chain []string
}

// Error returns, for instance, "insert ext4: invalid module format: ext4: version magic …".
func (e *Error) Error() string {
	text := e.Op + " " + e.Module + ": " + e.Err.Error()
	if e.Requested != "" && e.Requested != e.Module {
		text = e.Op + " " + e.Requested + ": " + text
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CommandError is an install or remove command that failed. It is EINVAL to errors.Is, which is what kmod makes of it.
type CommandError struct {
	// Op is "install" or "remove".
	Op string
	// Command is the text given to the shell.
	Command string
	// Module is the name of the module the command stands for.
	Module string
	// Code is the exit status; -1 if a signal ended the command or it could not be started.
	Code int
	// Err is why the command could not be started or what signal ended it; nil if it exited.
	Err error
}

// Error says which command failed, and how.
func (e *CommandError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s command %q: %v", e.Op, e.Command, e.Err)
	}
	return fmt.Sprintf("%s command %q: exit status %d", e.Op, e.Command, e.Code)
}

// Unwrap returns the cause, if there is one.
func (e *CommandError) Unwrap() error { return e.Err }

// Is reports whether target is EINVAL.
func (e *CommandError) Is(target error) bool { return target == syscall.EINVAL }

// ConfigError is a mistake in the configuration, which is reported and skipped.
type ConfigError struct {
	// File is the absolute path of the file; /proc/cmdline for the kernel's command line.
	File string
	// Line is the number of the line, from 1; 0 when the whole file is meant.
	Line int
	// Text is the word that could not be understood.
	Text string
	// Err is ErrDirective, ErrDeprecated, ErrNotRead, or why the file could not be read.
	Err error
}

// Error returns, for instance, `/etc/modprobe.d/x.conf:3: unknown or incomplete directive "blaklist"`.
func (e *ConfigError) Error() string {
	text := e.File
	if e.Line > 0 {
		text = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	text += ": " + e.Err.Error()
	if e.Text != "" {
		text += fmt.Sprintf(" %q", e.Text)
	}
	return text
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// TableError is a table of a module directory that is missing or damaged. It is reported, and something slower is
// used in its place.
type TableError struct {
	// File is the absolute path of the table.
	File string
	// Instead names what is read in its place; empty for nothing.
	Instead string
	// Err is why the table is not used.
	Err error
}

// Error names the table, the cause and what is used in its place.
func (e *TableError) Error() string {
	text := e.File + ": " + e.Err.Error()
	if e.Instead != "" {
		text += "; using " + e.Instead + " in its place (depmod makes the tables)"
	}
	return text
}

// Unwrap returns the cause.
func (e *TableError) Unwrap() error { return e.Err }

// StateError is something in /sys that cannot be understood. It is reported, and the module counts as not loaded.
type StateError struct {
	// File is the absolute path of the file.
	File string
	// Text is its content.
	Text string
}

// Error shows the file and its content.
func (e *StateError) Error() string { return fmt.Sprintf("%s: unknown state %q", e.File, e.Text) }

// NameError is an invalid name in a softdep, with wrong brackets or too long. It is reported and skipped.
type NameError struct {
	// Name is the name.
	Name string
	// Err says what is wrong with it.
	Err error
}

// Error says what is wrong with the name.
func (e *NameError) Error() string { return "softdep: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NameError) Unwrap() error { return e.Err }

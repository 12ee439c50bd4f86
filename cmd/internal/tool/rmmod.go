package tool

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

const rmmodUsage = `Usage:
	rmmod [options] MODULE...

Options:
	-f, --force     remove a module that is in use (dangerous)
	-s, --syslog    send messages to the system's log
	-v, --verbose   show more messages
	-V, --version   print the version
	-h, --help      print this text
`

// Rmmod removes modules by name, or by the name of their file, and nothing else.
func Rmmod(env *Env) int {
	l := newLogger(env, levelError)
	flags := 0
	operands, status, done := parseSimple(l, simpleOptions(true), env.order(), rmmodUsage, func(int) { flags = modprobe.RemoveForce })
	switch {
	case done:
		return status
	case len(operands) == 0:
		l.error("missing module name.")
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel, NoConfig: true, Log: func(err error) {
		var state *modprobe.StateError
		if errors.As(err, &state) {
			l.error("unknown %s: '%s'", state.File, state.Text)
		}
	}})
	if err != nil {
		l.error("%s", strerror(err))
		return 1
	}
	for _, operand := range operands {
		if folder(l, operand) {
			l.error("could not use module %s: %s", operand, strerror(fs.ErrNotExist))
			return 1
		}
		if !rmmod(l, p, operand, flags) {
			status = 1
		}
	}
	return status
}

// folder reports whether an operand ends in a slash and is there. kmod goes no further then.
func folder(l *logger, operand string) bool {
	abs, err := absolute(l.env, operand)
	if err != nil || !strings.HasSuffix(operand, "/") {
		return false
	}
	name, err := fsName(l.env.FS, abs)
	if err == nil {
		_, err = fs.Stat(l.env.FS, name)
	}
	return err == nil
}

// rmmod removes one module and reports whether that went well.
func rmmod(l *logger, p *modprobe.Prober, operand string, flags int) bool {
	name := alias.ModName(operand)
	if abs, err := absolute(l.env, operand); err == nil {
		if file, err := fsName(l.env.FS, abs); err == nil {
			if _, err := fs.Stat(l.env.FS, file); err == nil {
				name = alias.FromPath(operand)
			}
		}
	}
	if flags&modprobe.RemoveForce == 0 && !removable(l, p, name) {
		return false
	}
	if err := l.env.Kernel.DeleteModule(name, flags); err != nil {
		l.error("could not remove '%s': %s", name, errnoText(err))
		l.error("could not remove module %s: %s", operand, errnoText(err))
		return false
	}
	return true
}

// removable says what speaks against removing a module.
func removable(l *logger, p *modprobe.Prober, name string) bool {
	state := p.State(name)
	switch {
	case state.Builtin:
		l.error("Module %s is builtin.", name)
	case !state.Loaded:
		l.error("Module %s is not currently loaded", name)
	case len(p.Holders(name)) > 0:
		l.error("Module %s is in use by: %s", name, strings.Join(p.Holders(name), " "))
	case state.Users > 0:
		l.error("Module %s is in use", name)
	case state.Users < 0:
		l.error("Module unloading is not supported")
	default:
		return true
	}
	return false
}

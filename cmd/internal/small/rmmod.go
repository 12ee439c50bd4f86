package small

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// rmmodUsage is the text of --help.
const rmmodUsage = `Usage:
  rmmod [options] MODULE...

Options:
  -f, --force     remove a module that is in use (dangerous)
  -s, --syslog    send messages to the system's log
  -v, --verbose   print more messages
  -V, --version   print the version
  -h, --help      print this text
`

// Rmmod removes modules by name, or by the name of their file, and nothing else.
func Rmmod(env *cli.Env) int {
	l := cli.NewLogger(env, cli.LevelError)
	flags := 0
	force := func(int) { flags = modprobe.RemoveForce }
	operands, status, done := parseSimple(l, simpleOptions(true), env.Order(), rmmodUsage, force)
	switch {
	case done:
		return status
	case len(operands) == 0:
		l.Errorf("missing module name.")
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel, NoConfig: true, Log: func(err error) {
		var state *modprobe.StateError
		if errors.As(err, &state) {
			l.Errorf("unknown %s: '%s'", state.File, state.Text)
		}
	}})
	if err != nil {
		l.Errorf("%s", cli.Strerror(err))
		return 1
	}
	for _, operand := range operands {
		if isFolder(l, operand) {
			l.Errorf("could not use module %s: %s", operand, cli.Strerror(fs.ErrNotExist))
			return 1
		}
		if !rmmod(l, p, operand, flags) {
			status = 1
		}
	}
	return status
}

// isFolder reports whether an operand ends in a slash and exists. kmod stops at such an operand.
func isFolder(l *cli.Logger, operand string) bool {
	abs, err := cli.Absolute(l.Env, operand)
	if err != nil || !strings.HasSuffix(operand, "/") {
		return false
	}
	name, err := cli.FSName(l.Env.FS, abs)
	if err == nil {
		_, err = fs.Stat(l.Env.FS, name)
	}
	return err == nil
}

// rmmod removes one module and reports whether that went well.
func rmmod(l *cli.Logger, p *modprobe.Prober, operand string, flags int) bool {
	name := alias.ModName(operand)
	if abs, err := cli.Absolute(l.Env, operand); err == nil {
		if file, err := cli.FSName(l.Env.FS, abs); err == nil {
			if _, err := fs.Stat(l.Env.FS, file); err == nil {
				name = alias.FromPath(operand)
			}
		}
	}
	if flags&modprobe.RemoveForce == 0 && !removable(l, p, name) {
		return false
	}
	if err := l.Env.Kernel.DeleteModule(name, flags); err != nil {
		l.Errorf("could not remove '%s': %s", name, cli.ErrnoText(err))
		l.Errorf("could not remove module %s: %s", operand, cli.ErrnoText(err))
		return false
	}
	return true
}

// removable reports whether a module can be removed, and says why not.
func removable(l *cli.Logger, p *modprobe.Prober, name string) bool {
	state := p.State(name)
	switch {
	case state.Builtin:
		l.Errorf("Module %s is builtin.", name)
	case !state.Loaded:
		l.Errorf("Module %s is not currently loaded", name)
	case len(p.Holders(name)) > 0:
		l.Errorf("Module %s is in use by: %s", name, strings.Join(p.Holders(name), " "))
	case state.Users > 0:
		l.Errorf("Module %s is in use", name)
	case state.Users < 0:
		l.Errorf("Module unloading is not supported")
	default:
		return true
	}
	return false
}

package small

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// insmodUsage is the text of --help.
const insmodUsage = `Usage:
	insmod [options] FILE [PARAMETER=VALUE...]

Options:
	-f, --force              insert a module made for another kernel (dangerous)
	    --force-modversion   ignore the versions of symbols
	    --force-vermagic     ignore the version of the kernel
	    --policy             obey the forbid and allow lines of modprobe.d
	-s, --syslog             send messages to the system's log
	-v, --verbose            show more messages
	-V, --version            print the version
	-h, --help               print this text
`

// IDs of insmod's options that have no short name.
const (
	insmodForceModversion = 256 + iota
	insmodForceVermagic
	insmodPolicy
)

// insmodOptions are kmod's, and those of modprobe that insmod lacks.
func insmodOptions() []getopt.Option {
	return append(simpleOptions(true),
		getopt.Option{Long: "force-modversion", ID: insmodForceModversion, Exact: true},
		getopt.Option{Long: "force-vermagic", ID: insmodForceVermagic, Exact: true},
		getopt.Option{Long: "policy", ID: insmodPolicy, Exact: true})
}

// Insmod inserts one file.
func Insmod(env *cli.Env) int {
	l := cli.NewLogger(env, cli.LevelError)
	flags, obey := 0, false
	operands, status, done := parseSimple(l, insmodOptions(), env.Order(), insmodUsage, func(id int) {
		switch id {
		case 'f':
			flags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic
		case insmodForceModversion:
			flags |= modprobe.IgnoreModversions
		case insmodForceVermagic:
			flags |= modprobe.IgnoreVermagic
		case insmodPolicy:
			obey = true
		}
	})
	switch {
	case done:
		return status
	case len(operands) == 0:
		l.Errorf("missing filename.")
		return 1
	case operands[0] == "-":
		l.Errorf("this tool does not support loading from stdin!")
		return 1
	}
	return insmod(l, operands[0], cli.QuoteParams(operands[1:]), flags, obey)
}

// insmod inserts the module in a file as typed. obey is that modprobe.d can forbid it.
func insmod(l *cli.Logger, operand, params string, flags int, obey bool) int {
	abs, err := cli.Absolute(l.Env, operand)
	var name string
	if err == nil && (operand == "" || strings.HasSuffix(operand, "/")) {
		err = fs.ErrNotExist // a folder is no module
	}
	if err == nil {
		name, err = cli.FSName(l.Env.FS, abs)
	}
	if err == nil {
		_, err = fs.Stat(l.Env.FS, name)
	}
	if err != nil {
		l.Errorf("could not load module %s: %s", operand, cli.Strerror(err))
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: l.Env.FS, Kernel: l.Env.Kernel, NoConfig: !obey,
		Explain: check.Explain})
	if err == nil && obey && forbidden(l, p, operand, abs) {
		return 1
	}
	var forcer *forcing.Forcer
	if err == nil && flags != 0 {
		forcer = forcing.New(l, p)
		module := modprobe.Module{Name: alias.FromPath(abs), Path: abs}
		forcer.Tell(modprobe.Plan{{Op: modprobe.OpInsmod, Module: module, Flags: flags, Requested: true}})
	}
	if err == nil {
		err = p.InsmodFile(name, params, flags)
	}
	if err != nil {
		l.Errorf("could not insert module %s: %s", operand, insmodText(err))
		var e *modprobe.Error
		if errors.As(err, &e) && e.Reason != "" {
			l.Hintf("%s", e.Reason)
		}
		if p != nil {
			forcing.Explain(l, p, forcer, abs, flags, err)
		}
		return 1
	}
	return 0
}

// forbidden reports whether modprobe.d forbids the module in a file, after an error message.
func forbidden(l *cli.Logger, p *modprobe.Prober, operand, abs string) bool {
	var e *modprobe.Error
	if !errors.As(p.Permit(modprobe.Module{Path: abs}, nil).Err(), &e) {
		return false
	}
	cli.Refused(l.Env, operand, e)
	l.Errorf("could not insert module %s: %s", operand, cli.Strerror(syscall.EPERM))
	l.Hintf("loading %s is forbidden %s; without --policy, insmod does not ask", e.Module, e.Reason)
	return true
}

// insmodText is insmod's words for an error, which for some differ from modprobe's.
func insmodText(err error) string {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return "Invalid module format"
	case errors.Is(err, fs.ErrNotExist):
		return "Unknown symbol in module"
	case errors.Is(err, syscall.ESRCH):
		return "Module has wrong symbol version"
	case errors.Is(err, syscall.EINVAL):
		return "Invalid parameters"
	}
	return cli.ErrnoText(err)
}

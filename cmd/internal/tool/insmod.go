package tool

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

const insmodUsage = `Usage:
	insmod [options] FILE [PARAMETER=VALUE...]

Options:
	-f, --force              insert a module made for another kernel (dangerous)
	    --force-modversion   ignore the versions of symbols
	    --force-vermagic     ignore the version of the kernel
	-s, --syslog             send messages to the system's log
	-v, --verbose            show more messages
	-V, --version            print the version
	-h, --help               print this text
`

// simpleOptions are the options that insmod, rmmod and lsmod share. force is left out for lsmod.
func simpleOptions(force bool) []getopt.Option {
	options := []getopt.Option{
		{Long: "force", Short: 'f', ID: 'f'},
		{Long: "syslog", Short: 's', ID: 's'},
		{Long: "verbose", Short: 'v', ID: 'v'},
		{Long: "version", Short: 'V', ID: 'V'},
		{Long: "help", Short: 'h', ID: 'h'},
	}
	if !force {
		options = options[1:]
	}
	return options
}

// parseSimple reads a command line; own is called for the options that are not -s, -v, -V or -h. done is set for -h,
// -V and mistakes.
func (l *logger) parseSimple(options []getopt.Option, order getopt.Order, usage string, own func(id int)) (operands []string, status int, done bool) {
	p := getopt.New(options, order, l.env.Args[1:])
	level := l.level
	for {
		o, _, err := p.Next()
		if err != nil {
			return nil, l.usage(err), true
		}
		if o == nil {
			l.level = level
			return p.Operands(), 0, false
		}
		switch o.ID {
		case 's':
			l.syslog = true
		case 'v':
			level++
		case 'V':
			io.WriteString(l.env.Stdout, versionText)
			return nil, 0, true
		case 'h':
			io.WriteString(l.env.Stdout, usage)
			return nil, 0, true
		default:
			own(o.ID)
		}
	}
}

// Insmod inserts one file.
func Insmod(env *Env) int {
	l := newLogger(env, levelError)
	options := append(simpleOptions(true),
		getopt.Option{Long: "force-modversion", ID: optForceModversion, Exact: true},
		getopt.Option{Long: "force-vermagic", ID: optForceVermagic, Exact: true})
	flags := 0
	operands, status, done := l.parseSimple(options, env.order(), insmodUsage, func(id int) {
		switch id {
		case 'f':
			flags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic
		case optForceModversion:
			flags |= modprobe.IgnoreModversions
		case optForceVermagic:
			flags |= modprobe.IgnoreVermagic
		}
	})
	switch {
	case done:
		return status
	case len(operands) == 0:
		l.error("missing filename.")
		return 1
	case operands[0] == "-":
		l.error("this tool does not support loading from stdin!")
		return 1
	}
	return l.insmod(operands[0], quoteParams(operands[1:]), flags)
}

func (l *logger) insmod(operand, params string, flags int) int {
	abs, err := absolute(l.env, operand)
	var name string
	if err == nil && (operand == "" || strings.HasSuffix(operand, "/")) {
		err = fs.ErrNotExist // a folder is no module
	}
	if err == nil {
		name, err = fsName(l.env.FS, abs)
	}
	if err == nil {
		_, err = fs.Stat(l.env.FS, name)
	}
	if err != nil {
		l.error("could not load module %s: %s", operand, strerror(err))
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: l.env.FS, Kernel: l.env.Kernel, NoConfig: true, Explain: check.Explain})
	if err == nil && flags != 0 {
		f := forcer{logger: l, p: p}
		if !f.allow(abs, flags, true) {
			return 1
		}
	}
	if err == nil {
		err = p.InsmodFile(name, params, flags)
	}
	if err != nil {
		l.error("could not insert module %s: %s", operand, insmodText(err))
		var e *modprobe.Error
		if errors.As(err, &e) && e.Reason != "" {
			l.hint("%s", e.Reason)
		}
		if p != nil {
			l.because(p, abs, flags, err)
		}
		return 1
	}
	return 0
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
	return errnoText(err)
}

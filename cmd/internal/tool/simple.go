package tool

import (
	"io"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

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
func parseSimple(l *logger, options []getopt.Option, order getopt.Order, usage string, own func(id int)) (operands []string, status int, done bool) {
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

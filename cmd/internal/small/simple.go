// Package small has the commands with few options: insmod, rmmod, lsmod and kmod.
package small

import (
	"io"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
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

// parseSimple reads a command line; own is called for options other than -s, -v, -V and -h. done is set, and status is
// the exit status, for -h, -V and mistakes.
func parseSimple(
	l *cli.Logger, options []getopt.Option, order getopt.Order, usage string, own func(id int),
) (operands []string, status int, done bool) {
	p := getopt.New(options, order, l.Env.Args[1:])
	level := l.Level
	for {
		o, _, err := p.Next()
		if err != nil {
			return nil, l.Usage(err, options), true
		}
		if o == nil {
			l.Level = level
			return p.Operands(), 0, false
		}
		switch o.ID {
		case 's':
			l.Syslog = true
		case 'v':
			level++
		case 'V':
			io.WriteString(l.Env.Stdout, cli.VersionText())
			return nil, 0, true
		case 'h':
			io.WriteString(l.Env.Stdout, usage)
			return nil, 0, true
		default:
			own(o.ID)
		}
	}
}

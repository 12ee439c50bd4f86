package tool

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

const lsmodUsage = `Usage:
	lsmod [options]

Options:
	    --json      print JSON
	-s, --syslog    send messages to the system's log
	-v, --verbose   show more messages
	-V, --version   print the version
	-h, --help      print this text
`

// Lsmod lists the modules that are loaded.
func Lsmod(env *Env) int { return lsmod(env, program(env), env.order()) }

// lsmod is Lsmod under the name prog, for messages, with operands where getopt takes them.
func lsmod(env *Env, prog string, order getopt.Order) int {
	l := newLogger(env, levelError)
	l.prog = prog
	json := false
	options := append(simpleOptions(false), getopt.Option{Long: "json", ID: optJSON, Exact: true})
	operands, status, done := l.parseSimple(options, order, lsmodUsage, func(int) { json = true })
	switch {
	case done:
		return status
	case len(operands) > 0:
		l.error("too many arguments provided.")
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel, NoConfig: true, Release: "none"})
	var modules []modprobe.Loaded
	if err == nil {
		modules, err = p.Loaded()
	}
	if err != nil {
		l.error("could not open /proc/modules: %s", strerror(err))
		l.error("could not get list of modules: %s", strerror(err))
		return 1
	}
	out := newOutput(env.Stdout)
	if json {
		loadedJSON(out, modules)
	} else {
		loadedText(out, modules)
	}
	if err := out.Flush(); err != nil {
		l.error("could not write: %s", strerror(err))
		return 1
	}
	return 0
}

// loadedText prints the table that scripts take apart.
func loadedText(out *output, modules []modprobe.Loaded) {
	out.line("Module                  Size  Used by")
	for _, m := range modules {
		fmt.Fprintf(out, "%-19s %8d  %d", m.Name, m.Size, m.Users)
		if len(m.Holders) > 0 {
			fmt.Fprint(out, " ", strings.Join(m.Holders, ","))
		}
		out.line()
	}
}

// loadedModule is one module: lsmod --json.
type loadedModule struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"`  // bytes; -1 if not known
	Users   int      `json:"users"` // -1 if the kernel does not count
	Holders []string `json:"holders"`
	State   string   `json:"state,omitempty"` // live, loading or unloading
}

// loadedJSON prints the same as JSON.
func loadedJSON(out *output, modules []modprobe.Loaded) {
	out.json(each(modules, func(m modprobe.Loaded) loadedModule {
		return loadedModule{m.Name, m.Size, m.Users, orEmpty(m.Holders), strings.ToLower(m.State)}
	}))
}

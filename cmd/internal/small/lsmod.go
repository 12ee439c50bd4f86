package small

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// lsmodUsage is the text of --help.
const lsmodUsage = `Usage:
  lsmod [options]

Options:
      --json      print JSON
  -s, --syslog    send messages to the system's log
  -v, --verbose   print more messages
  -V, --version   print the version
  -h, --help      print this text
`

// lsmodJSON is the ID of --json.
const lsmodJSON = 256

// lsmodOptions are kmod's and --json.
func lsmodOptions() []getopt.Option {
	return append(simpleOptions(false), getopt.Option{Long: "json", ID: lsmodJSON, Exact: true})
}

// Lsmod lists the modules that are loaded.
func Lsmod(env *cli.Env) int { return lsmod(env, cli.Program(env), env.Order()) }

// lsmod is Lsmod under the name prog, for messages, with operands where getopt takes them.
func lsmod(env *cli.Env, prog string, order getopt.Order) int {
	l := cli.NewLogger(env, cli.LevelError)
	l.Prog = prog
	json := false
	operands, status, done := parseSimple(l, lsmodOptions(), order, lsmodUsage, func(int) { json = true })
	switch {
	case done:
		return status
	case len(operands) > 0:
		l.Errorf("too many arguments provided.")
		return 1
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel, NoConfig: true, Release: "none"})
	var modules []modprobe.Loaded
	if err == nil {
		modules, err = p.Loaded()
	}
	if err != nil {
		l.Errorf("could not open /proc/modules: %s", cli.Strerror(err))
		l.Errorf("could not get list of modules: %s", cli.Strerror(err))
		return 1
	}
	out := cli.NewOutput(env.Stdout)
	if json {
		loadedJSON(out, modules)
	} else {
		loadedText(out, modules)
	}
	if err := out.Flush(); err != nil {
		l.Errorf("could not write: %s", cli.Strerror(err))
		return 1
	}
	return 0
}

// loadedText prints the table that scripts take apart.
func loadedText(out *cli.Output, modules []modprobe.Loaded) {
	out.Line("Module                  Size  Used by")
	for _, m := range modules {
		fmt.Fprintf(out, "%-19s %8d  %d", m.Name, m.Size, m.Users)
		if len(m.Holders) > 0 {
			fmt.Fprint(out, " ", strings.Join(m.Holders, ","))
		}
		out.Line()
	}
}

// loadedModule is one module: lsmod --json.
type loadedModule struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"`  // bytes; -1 if not known
	Users   int      `json:"users"` // -1 if the kernel keeps no count
	Holders []string `json:"holders"`
	State   string   `json:"state,omitempty"` // live, loading or unloading
}

// loadedJSON prints the same as JSON.
func loadedJSON(out *cli.Output, modules []modprobe.Loaded) {
	out.JSON(cli.Each(modules, func(m modprobe.Loaded) loadedModule {
		return loadedModule{m.Name, m.Size, m.Users, cli.OrEmpty(m.Holders), strings.ToLower(m.State)}
	}))
}

//go:build !kmod_boot

// Package depmod is the command depmod.
package depmod

import (
	"context"
	"io"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

const depmodUsage = `Usage:
  depmod [options] [VERSION [FILE...]]
Make the tables by which modprobe finds the modules of kernel VERSION (default:
the running one): what needs what, and what drives which device. With FILEs,
absolute paths, of these modules only.

What to do:
  -a, --all                   all modules of the folder, even if FILEs are given
  -A, --quick                 do nothing if no module has changed since the last
                              time
  -n, --show, --dry-run       print the text tables and write nothing
      --check                 write nothing, list what differs from the tables
                              there; exit status 1 if something does
      --cache[=FILE]          read only modules that have changed since FILE was
                              written (default: .modules.cache beside the
                              tables), and write it
      --keep-going            make tables even if a module cannot be read
Where to look:
  -b, --basedir=DIR           look for lib/modules below DIR
  -m, --moduledir=DIR         the folder of the versions, instead of lib/modules
  -o, --outdir=DIR            write below DIR
  -C, --config=PATH           configuration file or folder, instead of depmod.d
  -E, --symvers=FILE          Module.symvers of the kernel: its symbols, and
                              their checksums
  -F, --filesyms=FILE         System.map of the kernel: its symbols
  -P, --symbol-prefix=CHAR    a character that symbols begin with on some
                              architectures
What to say:
  -v, --verbose               say more, first what needs what
  -e, --errsyms               report symbols that nobody exports; needs -E or -F
  -w, --warn                  report entries that are in a table twice
      --json                  print everything that was found as JSON on
                              standard output
  -V, --version               print the version
  -h, --help                  print this text
`

// IDs of depmod's options that have no short name.
const (
	depmodCache = 256 + iota
	depmodCheck
	depmodJSON
	depmodKeepGoing
)

var depmodOptions = []getopt.Option{
	{Long: "all", Short: 'a', ID: 'a'},
	{Long: "quick", Short: 'A', ID: 'A'},
	{Long: "basedir", Short: 'b', ID: 'b', Arg: getopt.Required},
	{Long: "moduledir", Short: 'm', ID: 'm', Arg: getopt.Required},
	{Long: "outdir", Short: 'o', ID: 'o', Arg: getopt.Required},
	{Long: "config", Short: 'C', ID: 'C', Arg: getopt.Required},
	{Long: "symvers", Short: 'E', ID: 'E', Arg: getopt.Required},
	{Long: "filesyms", Short: 'F', ID: 'F', Arg: getopt.Required},
	{Long: "errsyms", Short: 'e', ID: 'e'},
	{Long: "show", Short: 'n', ID: 'n'},
	{Long: "dry-run", Short: 'n', ID: 'n'},
	{Long: "symbol-prefix", Short: 'P', ID: 'P', Arg: getopt.Required},
	{Long: "warn", Short: 'w', ID: 'w'},
	{Long: "verbose", Short: 'v', ID: 'v'},
	{Long: "version", Short: 'V', ID: 'V'},
	{Long: "help", Short: 'h', ID: 'h'},
	{Long: "cache", ID: depmodCache, Arg: getopt.Optional, Exact: true},
	{Long: "check", ID: depmodCheck, Exact: true},
	{Long: "json", ID: depmodJSON, Exact: true},
	{Long: "keep-going", ID: depmodKeepGoing, Exact: true},
}

// depmodArgs is depmod's command line.
type depmodArgs struct {
	all, quick, errsyms, show, warn bool
	cache, check, json, keepGoing   bool
	basedir, moduledir, outdir      string
	hasModuledir                    bool
	symvers, filesyms               string
	hasSymvers, hasFilesyms         bool
	prefix                          byte
	config                          []string // nil: the system's
	cacheFile                       string   // "": the default
	verbose                         int
	operands                        []string
	version                         string
}

// Main runs the tool depmod.
func Main(env *cli.Env) int {
	log := cli.NewLogger(env, cli.LevelWarning)
	args, status, err := parseDepmod(env, log)
	if err != nil {
		return log.Usage(err, depmodOptions)
	}
	if args == nil {
		return status
	}
	log.Level += args.verbose
	if !args.complete(env, log) {
		return 1
	}
	run := depmodRun{env: env, log: log, depmodArgs: args}
	return run.run(context.Background())
}

// parseDepmod reads the command line. Without arguments and error it has been answered, and status is the exit status.
func parseDepmod(env *cli.Env, log *cli.Logger) (args *depmodArgs, status int, err error) {
	p := getopt.New(depmodOptions, env.Order(), env.Args[1:])
	args = new(depmodArgs)
	for {
		o, value, err := p.Next()
		if err != nil {
			return nil, 1, err
		}
		if o == nil {
			args.operands = p.Operands()
			return args, 0, nil
		}
		switch o.ID {
		case 'P':
			if len(value) != 1 {
				log.Fatalf("-P only takes a single char")
				return nil, 1, nil
			}
			args.prefix = value[0]
		case 'V':
			io.WriteString(env.Stdout, cli.VersionText())
			return nil, 0, nil
		case 'h':
			io.WriteString(env.Stdout, depmodUsage)
			return nil, 0, nil
		default:
			args.set(o.ID, value)
		}
	}
}

// set takes in one option.
func (a *depmodArgs) set(id int, value string) {
	switch id {
	case 'a':
		a.all = true
	case 'A':
		a.quick = true
	case 'b':
		a.basedir = value
	case 'm':
		a.moduledir, a.hasModuledir = strings.TrimLeft(value, "/"), true
	case 'o':
		a.outdir = value
	case 'C':
		a.config = append(a.config, value)
	case 'E':
		a.symvers, a.hasSymvers = value, true
	case 'F':
		a.filesyms, a.hasFilesyms = value, true
	case 'e':
		a.errsyms = true
	case 'n':
		a.show = true
	case 'w':
		a.warn = true
	case 'v':
		a.verbose++
	case depmodCache:
		a.cache, a.cacheFile = true, value
	case depmodCheck:
		a.check = true
	case depmodJSON:
		a.json = true
	case depmodKeepGoing:
		a.keepGoing = true
	}
}

// complete finds out the version, and reports what is wrong with it.
func (a *depmodArgs) complete(env *cli.Env, log *cli.Logger) bool {
	if len(a.operands) == 0 {
		release, err := env.Kernel.Release()
		if err != nil {
			log.Errorf("the release of the running kernel is not known: %s", cli.Strerror(err))
			return false
		}
		a.version = release
		return true
	}
	a.version = a.operands[0]
	if !isVersion(a.version) {
		log.Errorf("Bad version passed %s", a.version)
		return false
	}
	return true
}

// isVersion reports whether s begins with two numbers and a dot between them.
func isVersion(s string) bool {
	rest := strings.TrimLeft(s, "0123456789")
	return rest != s && len(rest) > 1 && rest[0] == '.' && '0' <= rest[1] && rest[1] <= '9'
}

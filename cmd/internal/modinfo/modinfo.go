// Package modinfo is the command modinfo.
package modinfo

import (
	"errors"
	"io"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

const modinfoUsage = `Usage:
  modinfo [options] MODULE|ALIAS|FILE...
Print what modules say about themselves.

What to print:
  -F, --field=FIELD           print only the values of FIELD
  -a, --author                the same as -F author
  -d, --description           the same as -F description
  -l, --license               the same as -F license
  -p, --parameters            the same as -F parm
  -n, --filename              the same as -F filename
      --json                  print everything as JSON
      --symbols               with --json, also exports, imports and versions
      --exports               print the symbols modules offer: CRC, name, GPL,
                              namespace
      --imports               print the symbols modules need: CRC, name, who
                              offers it, weak
      --diff                  compare two modules: version magic, versions,
                              parameters, needs; of two boot images: types and
                              exports; operands after them are the only symbols
                              that count; with --json as JSON
      --type=NAME             print a type in C with the places of its members:
                              of a boot image, a module, a file of BTF, or the
                              running kernel
      --dump-btf              write the types of a boot image or module, in BTF
      --dump-symvers          print what modules export as lines of a
                              Module.symvers
  -0, --null                  end entries with a NUL instead of a newline
Where to look:
  -m, --modname               operands are names, neither aliases nor files
  -k, --set-version=VERSION   the modules of kernel VERSION, not of the running
                              one
  -b, --basedir=DIR           look for lib/modules below DIR
Other options:
  -V, --version               print the version
  -h, --help                  print this text
`

// IDs of modinfo's options that have no short name.
const (
	modinfoJSON = 256 + iota
	modinfoSymbols
	modinfoExports
	modinfoImports
	modinfoDiff
	modinfoSymvers
	modinfoType
	modinfoDumpBTF
)

var modinfoOptions = []getopt.Option{
	{Long: "author", Short: 'a', ID: 'a'},
	{Long: "description", Short: 'd', ID: 'd'},
	{Long: "license", Short: 'l', ID: 'l'},
	{Long: "parameters", Short: 'p', ID: 'p'},
	{Long: "filename", Short: 'n', ID: 'n'},
	{Long: "null", Short: '0', ID: '0'},
	{Long: "modname", Short: 'm', ID: 'm'},
	{Long: "field", Short: 'F', ID: 'F', Arg: getopt.Required},
	{Long: "set-version", Short: 'k', ID: 'k', Arg: getopt.Required},
	{Long: "basedir", Short: 'b', ID: 'b', Arg: getopt.Required},
	{Long: "version", Short: 'V', ID: 'V'},
	{Long: "help", Short: 'h', ID: 'h'},
	{Long: "json", ID: modinfoJSON, Exact: true},
	{Long: "symbols", ID: modinfoSymbols, Exact: true},
	{Long: "exports", ID: modinfoExports, Exact: true},
	{Long: "imports", ID: modinfoImports, Exact: true},
	{Long: "diff", ID: modinfoDiff, Exact: true},
	{Long: "type", ID: modinfoType, Arg: getopt.Required, Exact: true},
	{Long: "dump-btf", ID: modinfoDumpBTF, Exact: true},
	{Long: "dump-symvers", ID: modinfoSymvers, Exact: true},
}

// modinfoField is the field that has an option of its own.
func modinfoField(option int) string {
	switch option {
	case 'a':
		return "author"
	case 'd':
		return "description"
	case 'l':
		return "license"
	case 'p':
		return "parm"
	}
	return "filename"
}

// modinfoArgs is modinfo's command line.
type modinfoArgs struct {
	field    string // the only field to show, if oneField
	oneField bool
	end      string // behind each entry
	modname  bool   // operands are names only
	release  string // kernel release; "" for the running one
	basedir  string // root of lib/modules; "" for /
	view     int    // what to show: 0, modinfoJSON, modinfoExports or modinfoImports
	symbols  bool   // with modinfoJSON
	asJSON   bool   // --json, also with modinfoDiff
	typeName string // of --type
	operands []string
}

// Main runs the tool modinfo.
func Main(env *cli.Env) int {
	log := cli.NewLogger(env, cli.LevelWarning)
	args, status, err := parseModinfo(env)
	if err != nil {
		return log.Usage(err, modinfoOptions)
	}
	if args == nil {
		return status
	}
	if err := args.check(); err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if args.view == modinfoType || args.view == modinfoDumpBTF {
		return runTypes(env, log, args)
	}
	if args.view == modinfoDiff {
		status, done := diffKernels(env, log, args)
		if done {
			return status
		}
		if args.asJSON {
			log.Errorf("--json goes with --diff of two boot images that have types, not of modules")
			return 1
		}
	}
	if args.view == modinfoDiff || args.view == modinfoSymvers {
		return runModinfoFiles(env, log, args)
	}
	return runModinfo(env, log, args)
}

// parseModinfo reads the command line. Without arguments and error it has been
// answered, and status is the exit status.
func parseModinfo(env *cli.Env) (args *modinfoArgs, status int, err error) {
	p := getopt.New(modinfoOptions, env.Order(), env.Args[1:])
	args = &modinfoArgs{end: "\n"}
	for {
		o, value, err := p.Next()
		if err != nil {
			return nil, 1, err
		}
		if o == nil {
			break
		}
		switch o.ID {
		case 'a', 'd', 'l', 'p', 'n':
			args.field, args.oneField = modinfoField(o.ID), true
		case 'F':
			args.field, args.oneField = value, true
		case '0':
			args.end = "\x00"
		case 'm':
			args.modname = true
		case 'k':
			args.release = value
		case 'b':
			args.basedir = value
		case modinfoJSON, modinfoExports, modinfoImports, modinfoDiff, modinfoSymvers, modinfoType,
			modinfoDumpBTF:
			if o.ID == modinfoType {
				args.typeName = value
			}
			args.asJSON = args.asJSON || o.ID == modinfoJSON
			if pair := args.view + o.ID; args.view != 0 && pair == modinfoJSON+modinfoDiff {
				args.view = modinfoDiff
				continue
			}
			if args.view != 0 && args.view != o.ID {
				return nil, 1, errors.New("only one of --json, --exports, --imports, --diff, --type, " +
					"--dump-btf and --dump-symvers can be given (for both kinds of symbols: " +
					"--json --symbols)")
			}
			args.view = o.ID
		case modinfoSymbols:
			args.symbols = true
		case 'V':
			io.WriteString(env.Stdout, cli.VersionText())
			return nil, 0, nil
		case 'h':
			io.WriteString(env.Stdout, modinfoUsage)
			return nil, 0, nil
		}
	}
	args.operands = p.Operands()
	return args, 0, nil
}

// check finds what does not go together.
func (a *modinfoArgs) check() error {
	switch {
	case len(a.operands) == 0 && a.view != modinfoType:
		return errors.New("missing module or filename.")
	case a.view != 0 && a.oneField:
		return errors.New("a single field cannot be combined with --json, --exports, --imports, --diff, " +
			"--type, --dump-btf or --dump-symvers")
	case a.symbols && a.view != modinfoJSON:
		return errors.New("--symbols goes with --json")
	}
	return nil
}

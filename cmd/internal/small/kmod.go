package small

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// kmodUsage is the text of kmod --help.
const kmodUsage = `kmod - list, load and unload kernel modules
Usage:
  kmod [options] COMMAND [options of the command]

Options:
  -V, --version   print the version
  -h, --help      print this text

Commands:
  help            print this text
  list            list the modules that are loaded, as lsmod
  static-nodes    print the device nodes that load modules when they are opened

The other tools go by their names: modprobe, depmod, modinfo, insmod, rmmod,
lsmod.
`

var kmodOptions = []getopt.Option{{Long: "help", Short: 'h', ID: 'h'}, {Long: "version", Short: 'V', ID: 'V'}}

// Kmod picks one of three commands; the tools are no commands of it.
func Kmod(env *cli.Env) int {
	l := cli.NewLogger(env, cli.LevelWarning)
	p := getopt.New(kmodOptions, getopt.Posix, env.Args[1:])
	for {
		o, _, err := p.Next()
		switch {
		case err != nil:
			return l.Usage(err, kmodOptions)
		case o == nil:
			return kmodCommand(l, p.Operands())
		case o.ID == 'V':
			io.WriteString(env.Stdout, cli.VersionText())
			return 0
		default:
			io.WriteString(env.Stdout, kmodUsage)
			return 0
		}
	}
}

// kmodCommand runs a command. For getopt the command is argv[0].
func kmodCommand(l *cli.Logger, operands []string) int {
	if len(operands) == 0 {
		io.WriteString(l.Env.Stderr, "missing command\n")
		io.WriteString(l.Env.Stdout, kmodUsage)
		return 1
	}
	sub := *l.Env
	sub.Args = operands
	switch operands[0] {
	case "help":
		io.WriteString(l.Env.Stdout, kmodUsage)
		return 0
	case "list":
		return lsmod(&sub, l.Prog, getopt.Posix)
	case "static-nodes":
		return staticNodes(&sub)
	}
	fmt.Fprintf(l.Env.Stderr, "invalid command '%s'\n", operands[0])
	if question := cli.DidYouMean(operands[0], "help", "list", "static-nodes"); question != "" {
		l.Hintf("%s", strings.TrimSpace(question))
	}
	io.WriteString(l.Env.Stdout, kmodUsage)
	return 1
}

// staticNodesUsage is the text of kmod static-nodes --help.
const staticNodesUsage = `Usage:
  kmod static-nodes [options]

Options:
  -b, --root=DIR        look in the system whose root is DIR
  -S, --set-version=RELEASE
                        of this kernel instead of the running one
  -f, --format=FORMAT   human (default), tmpfiles or devname
  -o, --output=FILE     write to FILE instead of standard output
  -h, --help            print this text

Formats:
  human      for people
  tmpfiles   for systemd-tmpfiles, see tmpfiles.d(5)
  devname    as in modules.devname
`

// staticNodes prints the content of a kernel's modules.devname in one of several formats. Its messages have no prefix.
func staticNodes(env *cli.Env) int {
	l := cli.NewLogger(env, cli.LevelWarning)
	n := nodesRun{Logger: l, format: writeHuman}
	if status, done := n.parse(); done {
		return status
	}
	data, status, done := n.read()
	if done {
		return status
	}
	var text bytes.Buffer
	status = writeNodes(l, &text, data, n.format)
	return status | writeFile(l, n.output, text.Bytes())
}

// nodesRun is a run of static-nodes.
type nodesRun struct {
	*cli.Logger
	format        func(io.Writer, node)
	output        *string
	root, release string
}

// parse reads the command line. done is set for --help and mistakes.
func (n *nodesRun) parse() (status int, done bool) {
	options := []getopt.Option{
		{Long: "output", Short: 'o', Arg: getopt.Required, ID: 'o'},
		{Long: "format", Short: 'f', Arg: getopt.Required, ID: 'f'},
		{Long: "root", Short: 'b', Arg: getopt.Required, ID: 'b', Exact: true},
		{Long: "set-version", Short: 'S', Arg: getopt.Required, ID: 'S', Exact: true},
		{Long: "help", Short: 'h', ID: 'h'},
	}
	// as kmod's, which sets getopt to this for its own options
	p := getopt.New(options, getopt.Posix, n.Env.Args[1:])
	for {
		o, value, err := p.Next()
		if err != nil {
			return n.Usage(err, options), true
		}
		if o == nil {
			return 0, false
		}
		switch o.ID {
		case 'o':
			n.output = &value
		case 'b':
			n.root = value
		case 'S':
			n.release = value
		case 'f':
			var ok bool
			if n.format, ok = nodeFormat(value); !ok {
				fmt.Fprintf(n.Env.Stderr, "Unknown format: '%s'.\n", value)
				io.WriteString(n.Env.Stdout, staticNodesUsage)
				return 1, true
			}
		case 'h':
			io.WriteString(n.Env.Stdout, staticNodesUsage)
			return 0, true
		}
	}
}

// read reads modules.devname. done is set if there is none.
func (n *nodesRun) read() (data []byte, status int, done bool) {
	env, fsys, root := n.Env, n.Env.FS, ""
	var err error
	if n.release == "" {
		if n.release, err = env.Kernel.Release(); err != nil {
			fmt.Fprintf(env.Stderr, "Error: uname failed: %s\n", cli.Strerror(err))
			return nil, 1, true
		}
	}
	if n.root != "" {
		if root, err = cli.Absolute(env, n.root); err == nil {
			fsys, err = env.Sub(root)
		}
	}
	var dir moduledir.Dir
	if err == nil {
		dir, err = moduledir.Find(fsys, "", n.release)
	}
	name := root + dir.Path + "/modules.devname"
	if err == nil {
		data, err = trusted.ReadFile(fsys, dir.Name+"/modules.devname", moduledir.MaxTable)
	}
	switch {
	case err == nil:
		if errors.Is(moduledir.Usable(name, data), moduledir.ErrCut) {
			// What is left of the line may be a number of another device.
			data = data[:bytes.LastIndexByte(data, '\n')+1]
			fmt.Fprintf(env.Stderr, "Warning: %s: %v; what is left is used (depmod makes the tables)\n", name, moduledir.ErrCut)
		}
		return data, 0, false
	case cli.Strerror(err) == "No such file or directory":
		fmt.Fprintf(env.Stderr, "Warning: %s not found - ignoring\n", name)
		return nil, 0, true
	}
	fmt.Fprintf(env.Stderr, "Error: could not open %s - %s\n", name, cli.Strerror(err))
	return nil, 1, true
}

// node is one line of modules.devname.
type node struct {
	module, name string
	class        byte // 'c' or 'b'
	major, minor uint64
}

// writeNodes prints every good line of modules.devname.
func writeNodes(l *cli.Logger, w io.Writer, data []byte, format func(io.Writer, node)) (status int) {
	for line := range bytes.Lines(data) {
		text := strings.TrimSuffix(string(line), "\n")
		if text == "" || text[0] == '#' {
			continue
		}
		n, ok := parseNode(text)
		if !ok {
			fmt.Fprintf(l.Env.Stderr, "Error: invalid devname entry: %s\n", text)
			status = 1
			continue
		}
		format(w, n)
	}
	return status
}

// parseNode reads "MODULE NODE cMAJOR:MINOR". What follows the numbers is ignored.
func parseNode(text string) (n node, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 3 || fields[2][0] != 'c' && fields[2][0] != 'b' {
		return n, false
	}
	n.module, n.name, n.class = fields[0], fields[1], fields[2][0]
	major, minor, _ := strings.Cut(fields[2][1:], ":")
	var okMajor, okMinor bool
	n.major, okMajor = digits(major, true)
	n.minor, okMinor = digits(minor, false)
	return n, okMajor && okMinor
}

// digits reads the number at the beginning of a text; with whole nothing may follow.
func digits(text string, whole bool) (uint64, bool) {
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	if whole && end < len(text) {
		return 0, false
	}
	n, err := strconv.ParseUint(text[:end], 10, 32)
	return n, err == nil
}

// nodeFormat returns the writer of a format.
func nodeFormat(name string) (func(io.Writer, node), bool) {
	switch name {
	case "human":
		return writeHuman, true
	case "tmpfiles":
		return writeTmpfiles, true
	case "devname":
		return writeDevname, true
	}
	return nil, false
}

// writeHuman writes a node for people.
func writeHuman(w io.Writer, n node) {
	class := "character"
	if n.class == 'b' {
		class = "block"
	}
	fmt.Fprintf(w, "Module: %s\n\tDevice node: /dev/%s\n\t\tType: %s device\n\t\tMajor: %d\n\t\tMinor: %d\n",
		n.module, n.name, class, n.major, n.minor)
}

// writeTmpfiles writes a node for systemd-tmpfiles.
func writeTmpfiles(w io.Writer, n node) {
	if dir := path.Dir(n.name); strings.Contains(n.name, "/") {
		fmt.Fprintf(w, "d /dev/%s 0755 - - -\n", dir)
	}
	fmt.Fprintf(w, "%c! /dev/%s 0600 - - - %d:%d\n", n.class, n.name, n.major, n.minor)
}

// writeDevname writes a node as modules.devname has it.
func writeDevname(w io.Writer, n node) {
	fmt.Fprintf(w, "%s %s %c%d:%d\n", n.module, n.name, n.class, n.major, n.minor)
}

// writeFile writes a file, and the folders it is in, or to standard output if name is nil. It returns the exit status.
func writeFile(l *cli.Logger, name *string, data []byte) int {
	var err error
	if name == nil {
		name = new(string)
		_, err = l.Env.Stdout.Write(data)
	} else {
		err = l.Env.WriteFile(*name, data)
	}
	if err != nil {
		fmt.Fprintf(l.Env.Stderr, "Error: could not create %s - %s\n", *name, cli.Strerror(err))
		return 1
	}
	return 0
}

package modprobe

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Options of modprobe that have no letter of their own, or whose letter stands for something else.
const (
	optHolders = iota + 256
	optFirstTime
	optForceModversion
	optForceVermagic
	optModversions
	optExports
	optRoot
	optJSON
	optAllowForbidden
	optCheck
	optImage
	optSymvers
	optAllKernels
	optBuiltFor
	optFormat
	optWeakUpdate
	optNamesNone
	optForceCompatible
	optColdplug
	optUntil
	optTimeout
	optSettle
	optChart
	optPolicy
	optAllowlist
	optProfile
	optHost
	optKmod
	optAudit
)

// modprobeOptions are kmod 34.2's, in its order, which shows in its list of possibilities; the Exact ones are names
// that later versions of kmod have, and ours.
func modprobeOptions() []getopt.Option {
	return []getopt.Option{
		{Long: "all", Short: 'a', ID: 'a'},
		{Long: "remove", Short: 'r', ID: 'r'},
		{Long: "remove-dependencies", ID: optHolders},
		{Long: "remove-holders", ID: optHolders},
		{Long: "wait", Short: 'w', Arg: getopt.Required, ID: 'w'},
		{Long: "resolve-alias", Short: 'R', ID: 'R'},
		{Long: "first-time", ID: optFirstTime},
		{Long: "ignore-install", Short: 'i', ID: 'i'},
		{Long: "ignore-remove", ID: 'i'},
		{Long: "use-blacklist", Short: 'b', ID: 'b'},
		{Long: "force", Short: 'f', ID: 'f'},
		{Long: "force-modversion", ID: optForceModversion},
		{Long: "force-vermagic", ID: optForceVermagic},
		{Long: "show-depends", Short: 'D', ID: 'D'},
		{Long: "showconfig", Short: 'c', ID: 'c'},
		{Long: "show-config", ID: 'c'},
		{Long: "show-modversions", ID: optModversions},
		{Long: "dump-modversions", ID: optModversions},
		{Long: "show-exports", ID: optExports},
		{Long: "dry-run", Short: 'n', ID: 'n'},
		{Long: "show", ID: 'n'},
		{Long: "config", Short: 'C', Arg: getopt.Required, ID: 'C'},
		{Long: "dirname", Short: 'd', Arg: getopt.Required, ID: 'd'},
		{Long: "set-version", Short: 'S', Arg: getopt.Required, ID: 'S'},
		{Long: "syslog", Short: 's', ID: 's'},
		{Long: "quiet", Short: 'q', ID: 'q'},
		{Long: "verbose", Short: 'v', ID: 'v'},
		{Long: "version", Short: 'V', ID: 'V'},
		{Long: "help", Short: 'h', ID: 'h'},

		{Long: "show-alias", ID: 'R', Exact: true},
		{Long: "root", Arg: getopt.Required, ID: optRoot, Exact: true},
		{Long: "json", ID: optJSON, Exact: true},
		{Long: "allow-forbidden", ID: optAllowForbidden, Exact: true},
		{Long: "check", ID: optCheck, Exact: true},
		{Long: "image", Arg: getopt.Required, ID: optImage, Exact: true},
		{Long: "symvers", Arg: getopt.Required, ID: optSymvers, Exact: true},
		{Long: "all-kernels", ID: optAllKernels, Exact: true},
		{Long: "built-for", Arg: getopt.Required, ID: optBuiltFor, Exact: true},
		{Long: "format", Arg: getopt.Required, ID: optFormat, Exact: true},
		{Long: "weak-update", Arg: getopt.Required, ID: optWeakUpdate, Exact: true},
		{Long: "names-none", ID: optNamesNone, Exact: true},
		{Long: "force-compatible", ID: optForceCompatible, Exact: true},
		{Long: "coldplug", ID: optColdplug, Exact: true},
		{Long: "until", Arg: getopt.Required, ID: optUntil, Exact: true},
		{Long: "timeout", Arg: getopt.Required, ID: optTimeout, Exact: true},
		{Long: "settle", Arg: getopt.Required, ID: optSettle, Exact: true},
		{Long: "chart", Arg: getopt.Required, ID: optChart, Exact: true},
		{Short: 'j', Arg: getopt.Required, ID: 'j'},
		{Long: "policy", ID: optPolicy, Exact: true},
		{Long: "allowlist", ID: optAllowlist, Exact: true},
		{Long: "profile", Arg: getopt.Required, ID: optProfile, Exact: true},
		{Long: "host", ID: optHost, Exact: true},
		{Long: "kmod", ID: optKmod, Exact: true},
		{Long: "audit", ID: optAudit, Exact: true},
	}
}

// modprobeUsage is the text of --help.
const modprobeUsage = `Usage:
	modprobe [options] [-i] [-b] NAME [PARAMETER=VALUE...]
	modprobe [options] -a [-i] [-b] NAME...
	modprobe [options] -r [-i] NAME...
	modprobe [options] -c
	modprobe [options] --show-modversions FILE
	modprobe --check [options] [NAME|FILE [PARAMETER=VALUE...]...]
	modprobe --coldplug [options]
	modprobe --weak-update=add|remove|list|check [options] [NAME|FILE...]
	modprobe --policy [options] NAME...
	modprobe --allowlist [options] [NAME...]
	modprobe --audit [options] [FILE]

NAME is a module, an alias, or a file given as /FILE or ./FILE.

What to do:
	-a, --all                   take every operand for a name; go on after a name that is not found
	-r, --remove                remove modules instead of inserting them
	-R, --resolve-alias         print the modules that a name stands for
	    --show-alias            the same
	-D, --show-depends          print what would be done, as if nothing was loaded
	-c, --showconfig            print the configuration and the aliases of the modules
	    --show-config           the same
	    --show-modversions      print the versions of the symbols a module uses
	    --dump-modversions      the same
	    --show-exports          print the symbols a module exports, with their versions
	    --check                 say what the kernel would say to the modules, without loading them;
	                            exit status 0: they load, 1: one fails, 2: not known
	    --coldplug              load the drivers of all devices that are there or appear
	    --weak-update=ACTION    links in the weak-updates folders of all kernels, or that of -S: add makes
	                            them where FILE loads; remove NAME; list says why each stands; check
	                            finds those that do not (exit status 1, or 2: not known)
	    --policy                say whether NAME may be loaded, by which line, and through whom;
	                            exit status 0: it may, 1: it may not
	    --allowlist             write lines for modprobe.d that forbid all but what this machine uses
	    --audit                 say what was refused since boot, and what the lines, or those of FILE,
	                            would have refused of what is loaded; exit status 0: nothing,
	                            1: something, 2: not known
	-n, --dry-run               do nothing; with -v print what would be done
	    --show                  the same
How to do it:
	-i, --ignore-install        pass over install and remove commands and softdeps of NAME
	    --ignore-remove         the same
	-b, --use-blacklist         apply the blacklist to names too, not only to aliases
	    --allow-forbidden       pass over forbid directives
	    --first-time            fail if there is nothing to do
	    --remove-holders        remove NAME, and before it the modules that use it
	    --remove-dependencies   the same
	-w, --wait=MSEC             with -r: try again for so long while NAME is in use
	-f, --force                 insert a module made for another kernel; remove one that is in use
	    --force-modversion      ignore the versions of symbols
	    --force-vermagic        ignore the version of the kernel
	    --force-compatible      both, unless a type has moved that the module names
Where to look:
	-C, --config=PATH           read PATH instead of modprobe.d; can be given several times
	-d, --dirname=DIR           look for lib/modules below DIR
	    --root=DIR              look for everything below DIR: modules, tables and configuration
	-S, --set-version=RELEASE   use the modules of RELEASE instead of those of the running kernel
	    --image=FILE            with --check: the boot image of the kernel, or a folder with trees;
	                            several, or a pattern as 'DIR/*', make a table of modules and kernels
	    --symvers=FILE          with --check: take what the kernel exports from this Module.symvers;
	                            several likewise
	    --all-kernels           with --check: compare with every installed kernel
	    --built-for=KERNEL      with --check: tell what changed since KERNEL, a boot image, a file of
	                            BTF or a release; default: the release that a module names
	    --names-none            with --weak-update: also link modules that need --force-compatible,
	                            where they name no type that changed
How long, with --coldplug:
	    --until=DEVICE          until /dev/DEVICE, or the device with that UUID=, LABEL=, PARTUUID= or
	                            PARTLABEL=, is there, or with module:NAME until NAME is loaded; can be
	                            given several times
	    --settle=TIME           else until nothing has happened for TIME; default: 250ms
	    --timeout=TIME          but not longer than TIME, such as 10s
	-j NUMBER                   load at most NUMBER modules at a time
Of whom, with --allowlist:
	    --host                  of this machine: devices, loaded modules, file systems; the default
	    --profile=FILE          of the machine that goinitramfs profile described in FILE
	    --kmod                  for kmod, which knows no forbid: the nearest, with what it leaves open
What to say:
	-v, --verbose               print what is done; twice: why, too
	-q, --quiet                 print no messages
	-s, --syslog                send messages to the system's log
	    --json                  with -c, -D, -n, -R, --check, --coldplug, --policy, --audit, --weak-update:
	                            print JSON
	    --format=FORMAT         with --check: print that table as table, json, junit or html
	    --chart=FILE            with --coldplug: draw what was loaded when into FILE, an SVG
	-V, --version               print the version
	-h, --help                  print this text
`

// parse reads the command line. done is set for -h, -V and mistakes.
func (r *modprobeRun) parse() (operands []string, status int, done bool) {
	typed := r.Env.Args[1:]
	args := append(splitWords(r.Env.Getenv("MODPROBE_OPTIONS")), typed...)
	p := getopt.New(modprobeOptions(), r.Env.Order(), args)
	for {
		o, value, err := p.Next()
		if err != nil {
			return nil, r.Usage(err), true
		}
		if o == nil {
			return p.Operands(), 0, false
		}
		switch o.ID {
		case 'V':
			io.WriteString(r.Env.Stdout, cli.VersionText())
			return nil, 0, true
		case 'h':
			io.WriteString(r.Env.Stdout, modprobeUsage)
			return nil, 0, true
		}
		if p.Left() > len(typed) && !r.inherited(o.ID) {
			return nil, 1, true
		}
		if !r.option(o.ID, value) {
			return nil, 1, true
		}
	}
}

// inherited handles an option that stands in MODPROBE_OPTIONS: none of these may go round what is forbidden. It reports
// false after an error message.
func (r *modprobeRun) inherited(id int) bool {
	switch id {
	case optAllowForbidden, optRoot:
		r.Errorf("MODPROBE_OPTIONS: --allow-forbidden and --root count on the command line only")
		return false
	case 'C':
		r.from.Policy = modprobe.ConfigDirs()
	}
	return true
}

// option applies one option; it reports false after an error message.
func (r *modprobeRun) option(id int, value string) bool {
	switch id {
	case 'a':
		r.all = true
	case 'r':
		r.remove = true
	case optHolders: // implies -r, as in later versions of kmod; 34.2 inserts the module
		r.remove, r.drop.Holders = true, true
	case 'w':
		wait, ok := milliseconds(value)
		if !ok {
			r.Errorf("unexpected wait value '%s'.", value)
			return false
		}
		r.drop.Wait = wait
	case 'R':
		r.resolve = true
	case 'c':
		r.config = true
	case optModversions, optExports:
		if r.symbols != optModversions { // kmod prefers it, whatever the order
			r.symbols = id
		}
	case optFirstTime:
		r.load.FirstTime, r.drop.FirstTime = true, true
	case 'i':
		r.load.IgnoreCommands, r.drop.IgnoreCommands = true, true
	case 'b':
		r.load.UseBlacklist = true
	case 'f':
		r.load.Flags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic
		r.drop.Flags = modprobe.RemoveForce
	case optForceModversion:
		r.load.Flags |= modprobe.IgnoreModversions
	case optForceVermagic:
		r.load.Flags |= modprobe.IgnoreVermagic
	case 'D':
		r.load.ShowAll, r.drop.ShowAll, r.dryRun = true, true, true
	case 'n':
		r.dryRun = true
	case 'C':
		r.from.Config = append(r.from.Config, value)
		r.environ = append(r.environ, "-C", value)
	case 'd':
		r.from.Dir = value
	case optRoot:
		r.root = value
	case 'S':
		r.from.Release = value
	case 's':
		r.Syslog = true
		r.environ = append(r.environ, "-s")
	case 'q':
		r.verbose = 0
		r.environ = append(r.environ, "-q")
	case 'v':
		r.verbose++
		r.environ = append(r.environ, "-v")
	case optJSON:
		r.json = true
	case optAllowForbidden:
		r.load.AllowForbidden = true
	case optCheck:
		r.checkOnly = true
	case optImage:
		r.check.Image = value
		r.images = append(r.images, value)
	case optSymvers:
		r.check.Symvers = value
		r.symvers = append(r.symvers, value)
	case optFormat:
		if !slices.Contains([]string{"table", "json", "junit", "html"}, value) {
			r.Errorf("--format %s: there are table, json, junit and html", value)
			return false
		}
		r.format = value
	case optWeakUpdate:
		if !slices.Contains([]string{"add", "remove", "list", "check"}, value) {
			r.Errorf("--weak-update %s: there are add, remove, list and check", value)
			return false
		}
		r.weak = value
	case optNamesNone:
		r.namesNone = true
	case optBuiltFor:
		r.check.BuiltFor = value
	case optForceCompatible:
		r.load.Flags |= forceFlags
		r.compatible = true
	case optAllKernels:
		r.allKernels = true
	case optPolicy, optAllowlist, optProfile, optHost, optKmod, optAudit:
		return r.policyOption(id, value)
	default:
		return r.coldOption(id, value)
	}
	return true
}

// once sets an option that cannot be given twice with different values: one would be silently ignored.
func (r *modprobeRun) once(to *string, option, value string) bool {
	if *to != "" && *to != value {
		r.Errorf("%s %s and %s %s: only one can be given", option, *to, option, value)
		return false
	}
	*to = value
	return true
}

// conflict says which of our own options contradict each other, so that none is silently ignored; "" if none do. Among
// its own options kmod ignores some, and so do we.
func (r *modprobeRun) conflict() string {
	c, other := &r.check, r.weak != "" || r.config || r.resolve || r.remove || r.symbols != 0
	if text := r.rules.conflict(r.checkOnly || r.cold.on || other, r.json); text != "" {
		return text
	}
	switch {
	case r.cold.used && !r.cold.on:
		return "--until, --timeout, --settle, -j and --chart go with --coldplug"
	case !r.checkOnly && (r.allKernels || c.Image != "" || c.Symvers != "" || c.BuiltFor != "" || r.format != ""):
		return "--all-kernels, --built-for, --format, --image and --symvers go with --check"
	case r.namesNone && r.weak == "":
		return "--names-none goes with --weak-update"
	case r.checkOnly && r.cold.on, (r.checkOnly || r.cold.on) && other,
		r.weak != "" && (r.config || r.resolve || r.remove || r.symbols != 0):
		return "--check, --coldplug, --weak-update, -r, -R, -c, --show-modversions and --show-exports are different things " +
			"to do: only one can be asked for"
	case r.allKernels && (r.from.Release != "" || c.Image != ""):
		return "--all-kernels goes with neither -S nor --image, which mean one kernel"
	case r.from.Release != "" && len(r.images)+len(r.symvers) > 1:
		return "-S means one kernel: it goes with one --image or --symvers"
	case r.json && r.format != "" && r.format != "json":
		return "--json is --format json: only one format can be given"
	case r.json && r.symbols != 0:
		return "--json goes with neither --show-modversions nor --show-exports; " +
			"modinfo --json --symbols has both"
	case c.Image != "" && c.Symvers != "":
		return "--image and --symvers both say what the kernel exports: only one can be given"
	}
	return ""
}

// milliseconds reads a number as strtol(3) with base 0 does. No wait is longer than a day.
func milliseconds(text string) (d time.Duration, ok bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	if text == "" || strings.ContainsAny(text, "_oO") {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	const day = 24 * int64(time.Hour/time.Millisecond)
	return time.Duration(min(max(n, 0), day)) * time.Millisecond, true
}

// splitWords splits MODPROBE_OPTIONS as a shell does, at blanks outside quotes. Unlike kmod it makes no empty words of
// double blanks.
func splitWords(text string) (words []string) {
	var word []byte
	var quote byte
	var begin int // of what is quoted, in word
	inWord := false
	for _, c := range []byte(text) {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begin, inWord = c, len(word), true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inWord {
				words = append(words, string(word))
			}
			word, inWord = word[:0], false
		default:
			word, inWord = append(word, c), true
		}
	}
	if quote != 0 { // never closed: it is an ordinary character
		word = slices.Insert(word, begin, quote)
	}
	if inWord {
		words = append(words, string(word))
	}
	return words
}

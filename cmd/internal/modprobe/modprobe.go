// Package modprobe is the command modprobe, with --check and --coldplug.
package modprobe

import (
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// modprobeRun is one call of modprobe.
type modprobeRun struct {
	*cli.Logger
	p    *modprobe.Prober
	out  *cli.Output
	load modprobe.PlanOptions
	drop modprobe.RemoveOptions
	from modprobe.Options
	root string // --root

	config  bool // -c
	symbols int  // optModversions or optExports
	resolve bool // -R
	all     bool
	remove  bool
	dryRun  bool
	verbose int // the level of messages after -q and -v
	json    bool
	found   []foundJSON // with -R and --json

	checkOnly  bool // --check
	check      check.Options
	allKernels bool
	images     []string        // --image
	symvers    []string        // --symvers
	format     string          // --format
	weak       string          // --weak-update
	namesNone  bool            // --names-none
	compatible bool            // --force-compatible
	forcer     *forcing.Forcer // made at the first module that is forced in
	cold       coldArgs        // --coldplug
	rules      policyArgs      // --policy, --allowlist and --audit
	environ    []string        // what commands get in MODPROBE_OPTIONS
}

// Main inserts and removes modules, or shows what it would do.
func Main(env *cli.Env) int {
	r := &modprobeRun{
		Logger: cli.NewLogger(env, cli.LevelWarning), verbose: cli.LevelWarning, out: cli.NewOutput(env.Stdout),
	}
	defer r.out.Flush()
	operands, status, done := r.parse()
	if done {
		return status
	}
	if text := r.conflict(); text != "" {
		r.Errorf("%s", text)
		return 1
	}
	alone := r.config || r.cold.on || r.checkOnly || r.rules.allowlist || r.rules.audit ||
		r.weak == "list" || r.weak == "check"
	if len(operands) == 0 && !alone {
		r.Errorf("missing parameters. See -h.")
		return 1
	}
	if err := r.start(); err != nil {
		r.fail("", err)
		return 1
	}
	r.Level = r.verbose
	if r.cold.on {
		status = r.coldplug(operands)
	} else {
		status = r.do(operands)
	}
	if err := r.out.Flush(); err != nil && status == 0 {
		r.Errorf("could not write: %s", cli.Strerror(err))
		status = 1
	}
	return status
}

// start makes the Prober.
func (r *modprobeRun) start() error {
	o := &r.from
	o.FS, o.Kernel, o.Log, o.Step, o.Shell = r.Env.FS, r.Env.Kernel, r.report, r.step, r.shell
	o.Explain = check.Explain
	if o.Dir != "" {
		dir, err := cli.Absolute(r.Env, o.Dir)
		if err != nil {
			return err
		}
		o.Dir = dir
	}
	for i, name := range o.Config {
		path, err := cli.Absolute(r.Env, name)
		if err != nil {
			return err
		}
		o.Config[i] = path
	}
	if r.root != "" {
		root, err := cli.Absolute(r.Env, r.root)
		if err != nil {
			return err
		}
		if o.FS, err = r.Env.Sub(root); err != nil {
			return err
		}
		o.Shell = modprobe.NoShell // who is root in there is not root here
	} else {
		o.Facts = cli.Facts(r.Env)
	}
	p, err := modprobe.New(o)
	if err != nil {
		return err
	}
	const pathMax = 4096
	if len(p.Dir()) >= pathMax {
		r.Errorf("bad directory %s: path too long", p.Dir())
		return errReported
	}
	r.p = p
	return nil
}

// do carries out what the options ask for; the first that applies counts.
func (r *modprobeRun) do(operands []string) int {
	switch {
	case r.checkOnly:
		return r.checkModules(operands)
	case r.weak != "":
		return r.weakUpdate(operands)
	case r.rules.explain:
		return r.explainPolicy(operands)
	case r.rules.allowlist:
		return r.writeAllowlist(operands)
	case r.rules.audit:
		return r.auditPolicy(operands)
	case r.config:
		return r.showConfig()
	case r.symbols != 0:
		return r.showSymbols(operands[0])
	case r.remove:
		return r.removeAll(operands)
	case r.all:
		return r.insertAll(operands)
	}
	return r.insert(operands[0], cli.QuoteParams(operands[1:]))
}

// hasTree reports whether the module directory exists.
func (r *modprobeRun) hasTree() bool {
	name, err := cli.FSName(r.from.FS, r.p.Dir())
	if err == nil {
		_, err = fs.Stat(r.from.FS, name)
	}
	return err == nil
}

// isPath reports whether an operand names a file.
func isPath(operand string) bool {
	return strings.HasPrefix(operand, "/") || strings.HasPrefix(operand, "./")
}

// file returns the name in FS of a path as typed; ok is false if no file is there.
func (r *modprobeRun) file(operand string) (name string, ok bool) {
	abs, err := cli.Absolute(r.Env, operand)
	if err != nil {
		return "", false
	}
	name, err = cli.FSName(r.from.FS, abs)
	if err != nil {
		return "", false
	}
	info, err := fs.Stat(r.from.FS, name)
	return name, err == nil && !info.IsDir()
}

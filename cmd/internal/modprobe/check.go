//go:build !kmod_boot

package modprobe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// Exit statuses of modprobe --check.
const (
	checkLoads   = 0
	checkFails   = 1
	checkUnknown = 2
)

// checkRun is modprobe --check.
type checkRun struct {
	*modprobeRun
	o   check.Options
	all bool // every installed kernel
}

// checkModules judges modules against a kernel, or all installed ones.
func (r *modprobeRun) checkModules(operands []string) int {
	c := &checkRun{modprobeRun: r, o: r.check, all: r.allKernels}
	c.o.Flags = r.load.Flags
	c.o.Cache = forcing.CacheDir(r.Env)
	if err := r.builtFor(); err != nil {
		r.Errorf("%s: %s", r.check.BuiltFor, cli.Strerror(err))
		return checkFails
	}
	c.o.BuiltFor = r.check.BuiltFor
	for _, p := range []*string{&c.o.Image, &c.o.Symvers} {
		if *p == "" || r.manyKernels() {
			continue
		}
		abs, err := cli.Absolute(r.Env, *p)
		if err != nil {
			r.Errorf("%s: %s", *p, cli.Strerror(err))
			return checkFails
		}
		*p = path.Clean(abs)
	}
	names, err := c.operands(operands)
	if err != nil {
		r.Errorf("%v", err)
		return checkFails
	}
	if r.manyKernels() {
		return c.matrix(names)
	}
	if len(names) == 0 {
		return c.prepare()
	}
	if c.all {
		return c.kernels(names)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // little of the memory is garbage
	a := c.ask(c.p, names)
	switch status := r.checkFailed(a.err); {
	case len(a.verdicts) == 0 && a.err != nil:
		return status
	case r.json:
		c.out.JSON(cli.OrEmpty(a.verdicts))
	default:
		for i, v := range a.verdicts {
			if i > 0 {
				r.out.Line()
			}
			c.print(v)
		}
	}
	if a.err != nil {
		return checkFails
	}
	return worst(a.verdicts)
}

// operands returns the names and files that are asked for. A word with "=" behind one is a parameter of it, unless it
// is a path, or every operand is a name.
func (c *checkRun) operands(words []string) (names []string, err error) {
	given := map[string][]string{}
	for _, word := range words {
		name, _, assigns := strings.Cut(word, "=")
		file := isPath(word) || isFile(name) || len(names) == 0 && isFile(word)
		switch {
		case assigns && !file && !c.modprobeRun.all && !strings.Contains(name, ":"):
			if len(names) == 0 {
				return nil, fmt.Errorf("%s: a parameter stands behind the module that it is for", word)
			}
			last := names[len(names)-1]
			given[last] = append(given[last], word)
			continue
		case file:
			abs, err := cli.Absolute(c.Env, word)
			if err != nil {
				return nil, fmt.Errorf("%s: %s", word, cli.Strerror(err))
			}
			word = path.Clean(abs)
		}
		names = append(names, word)
	}
	c.o.Params = map[string]string{}
	for name, list := range given {
		c.o.Params[name] = cli.QuoteParams(list)
	}
	return names, nil
}

// isFile reports whether a word without slashes names a file, and not a module.
func isFile(word string) bool {
	return strings.HasSuffix(word, ".ko") || strings.Contains(word, ".ko.")
}

// checkFailed shows why a check could not be made, as a whole or of some modules. The result is the exit status if it
// is all there is to say.
func (r *modprobeRun) checkFailed(err error) int {
	for _, e := range causes(err) {
		if e != errReported {
			r.Errorf("%s", r.checkError(e))
		}
	}
	if errors.Is(err, modprobe.ErrNoTables) {
		return checkUnknown
	}
	return checkFails
}

// causes returns the errors that were joined to one.
func causes(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return []error{err}
}

// checkError returns the message for an error, with what to do.
func (r *modprobeRun) checkError(err error) string {
	var e *modprobe.Error
	var errno syscall.Errno
	below := ""
	if r.root != "" && errors.Is(err, fs.ErrNotExist) {
		below = " below " + r.root + " (with --root every file is looked for there; " +
			"-d moves the modules and /boot only)"
	}
	switch {
	case !errors.As(err, &e) && errors.As(err, &errno):
		return strings.Replace(err.Error(), errno.Error(), cli.Strerror(errno), 1) + below
	case !errors.As(err, &e):
		return err.Error()
	case errors.Is(err, modprobe.ErrNoTables):
		return "nothing is known of kernel " + e.Module +
			": neither modules nor a boot image nor a Module.symvers " +
			"(name them with -d, --image, --symvers, or another kernel with -S)"
	case e.Path != "":
		return e.Path + ": " + cli.Strerror(e.Err) + below
	case errors.Is(err, modprobe.ErrNotFound):
		return e.Module + ": no module or alias of that name (a file is named with its path: " +
			"./" + e.Module + ".ko)"
	}
	return e.Module + ": " + e.Err.Error()
}

// An answer is the result of a check against one kernel.
type answer struct {
	release  string
	dir      string // its modules
	source   string
	exports  int
	verdicts []*check.Verdict
	err      error
}

// ask judges modules against the kernel of a Prober.
func (c *checkRun) ask(p *modprobe.Prober, names []string) (a answer) {
	a.release, a.dir = p.Release(), p.Dir()
	var checker *check.Checker
	o := c.o
	o.Names = names
	if !c.all {
		progress := cli.StartProgress(c.Env, "modules read")
		defer progress.End()
		o.Progress = progress.Set
	}
	if checker, a.err = check.New(p, &o); a.err != nil {
		return a
	}
	if len(names) > 0 {
		a.verdicts, a.err = checker.Check(names...)
	} else {
		a.release = checker.Release()
		a.exports = checker.Exports()
		a.source = checker.Source()
	}
	return a
}

// prepare reads what the kernel exports, or all installed ones, without a module: it shows what is known, and later
// checks find it in the cache.
func (c *checkRun) prepare() int {
	answers := []answer{}
	if c.all {
		var err error
		if answers, err = c.askAll(nil); err != nil {
			return c.checkFailed(err)
		}
	} else {
		answers = append(answers, c.ask(c.p, nil))
	}
	status := checkLoads
	docs := []kernelJSON{}
	for _, a := range answers {
		text := fmt.Sprintf("%s: %d exports, read from %s", a.release, a.exports, a.source)
		switch {
		case a.err != nil:
			status = c.checkFailed(a.err)
			continue
		case a.source == "":
			text = a.release + ": its exports are not known"
			status = checkUnknown
		}
		if c.json {
			docs = append(docs, kernelJSON{a.release, a.exports, a.source})
		} else {
			c.out.Line(text)
		}
	}
	if c.json {
		c.out.JSON(docs)
	}
	return status
}

// kernelJSON is what is known of one kernel: --check --json without a module.
type kernelJSON struct {
	Release string `json:"release"`
	Exports int    `json:"exports"`
	Source  string `json:"source"`
}

// worst is the exit status for several verdicts.
func worst(verdicts []*check.Verdict) int {
	status := checkLoads
	for _, v := range verdicts {
		switch v.Outcome {
		case check.Fails:
			return checkFails
		case check.Unknown:
			status = checkUnknown
		}
	}
	return status
}

// print writes one verdict so that it is read in ten seconds: the answer, why, what to do.
func (c *checkRun) print(v *check.Verdict) {
	out := c.out
	io.WriteString(out, v.Module+" on "+v.Release+": ")
	c.outcome(v.Outcome)
	switch {
	case v.Outcome == check.Fails:
		out.Line(" (", v.Error, ")")
	case v.Outcome == check.LoadsTaints:
		out.Line(" (", taintLetters(v), ")")
	default:
		out.Line()
	}
	c.findings(v)
	c.changes(v)
	if v.Outcome != check.Fails {
		for _, t := range v.Taints {
			out.Line("  taint ", t.Letter, ": ", t.Why)
		}
	}
	for _, l := range limit(v.Log, 6) {
		out.Line("  kernel log: ", l)
	}
	for _, u := range v.NotVerified {
		out.Line("  not verified: ", u)
	}
	if len(v.Needs) > 0 && v.Outcome != check.Fails {
		out.Line("  needs first: ", strings.Join(v.Needs, " "))
	}
	c.softdeps(v)
	for _, n := range v.Notes {
		out.Line("  note: ", n)
	}
	if v.Source != "" {
		out.Line("  compared with ", v.Source)
	}
}

// outcome writes the word for what a kernel says, in colour where it is wanted.
func (c *checkRun) outcome(o check.Outcome) {
	colour := cli.Plain
	if c.Colours(c.colour) {
		switch o {
		case check.Loads, check.BuiltIn:
			colour = cli.Green
		case check.LoadsTaints, check.Unknown:
			colour = cli.Yellow
		case check.Fails:
			colour = cli.Red
		}
	}
	c.out.Coloured(colour, string(o))
}

// findings writes the reasons. Of many symbols with the same trouble the first three are shown.
func (c *checkRun) findings(v *check.Verdict) {
	shown, advised := map[check.Kind]int{}, map[string]bool{}
	for _, f := range v.Findings {
		if shown[f.Kind]++; shown[f.Kind] > 3 && f.Symbol != "" {
			continue
		}
		c.out.Line("  ", f.Text)
		if advice := string(f.Kind) + f.Advice; f.Advice != "" && !advised[advice] {
			advised[advice] = true
			c.out.Line("    -> ", f.Advice)
		}
	}
	for _, f := range v.Findings {
		if n := shown[f.Kind]; n > 3 && f.Symbol != "" {
			c.out.Line(fmt.Sprintf("  and %d more symbols like these (%s)", n-3, f.Kind))
			shown[f.Kind] = 0
		}
	}
}

// softdeps says which softdeps do not load, which keeps modprobe from nothing else.
func (c *checkRun) softdeps(v *check.Verdict) {
	for _, s := range v.Steps {
		if s.Required || s.Outcome != check.Fails && s.Outcome != check.Unknown {
			continue
		}
		text := s.Module + ", a softdep to be loaded before it: "
		if s.After {
			text = s.Module + ", a softdep to be loaded after it: "
		}
		text += string(s.Outcome)
		if s.Error != "" {
			text += " (" + s.Error + ")"
		}
		if s.Why != "" {
			text += ": " + s.Why
		}
		c.out.Line("  ", text)
		c.out.Line("    -> modprobe goes on without it")
	}
}

func taintLetters(v *check.Verdict) string {
	letters := ""
	for _, t := range v.Taints {
		letters += t.Letter
	}
	return letters
}

// limit cuts a list to n lines; the last one says how many are left out.
func limit(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n-1]), fmt.Sprintf("… and %d more lines", len(list)-n+1))
}

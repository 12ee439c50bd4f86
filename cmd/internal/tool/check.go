//go:build !kmod_boot

package tool

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/jsonw"
	"github.com/gomodprobe/gomodprobe/modprobe"
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
	o   modprobe.CheckOptions
	all bool // every installed kernel
}

// checkModules judges modules against a kernel, or all installed ones.
func (r *modprobeRun) checkModules(operands []string) int {
	c := &checkRun{modprobeRun: r, o: r.check, all: r.allKernels}
	c.o.Flags = r.load.Flags
	c.o.Cache = cacheDir(r.env)
	for _, p := range []*string{&c.o.Image, &c.o.Symvers} {
		if *p == "" {
			continue
		}
		abs, err := absolute(r.env, *p)
		if err != nil {
			r.error("%s: %s", *p, strerror(err))
			return checkFails
		}
		*p = path.Clean(abs)
	}
	names := make([]string, len(operands))
	for i, o := range operands {
		names[i] = o
		if isPath(o) || strings.HasSuffix(o, ".ko") || strings.Contains(o, ".ko.") {
			abs, err := absolute(r.env, o)
			if err != nil {
				r.error("%s: %s", o, strerror(err))
				return checkFails
			}
			names[i] = path.Clean(abs)
		}
	}
	if c.all {
		return c.kernels(names)
	}
	verdicts, err := c.one(c.p, names)
	if err != nil {
		r.checkFailed(err)
		return checkFails
	}
	if r.json {
		c.printJSON(verdicts)
	} else {
		for i, v := range verdicts {
			if i > 0 {
				r.out.line()
			}
			c.print(v)
		}
	}
	return worst(verdicts)
}

// checkFailed shows why a check could not be made.
func (r *modprobeRun) checkFailed(err error) { r.error("%v", err) }

// one judges modules against the kernel of a Prober.
func (c *checkRun) one(p *modprobe.Prober, names []string) ([]*modprobe.Verdict, error) {
	checker, err := p.Checker(&c.o)
	if err != nil {
		return nil, err
	}
	return checker.Check(names...)
}

// worst is the exit status for several verdicts.
func worst(verdicts []*modprobe.Verdict) int {
	status := checkLoads
	for _, v := range verdicts {
		switch v.Outcome {
		case modprobe.Fails:
			return checkFails
		case modprobe.Unknown:
			status = checkUnknown
		}
	}
	return status
}

// print writes one verdict so that it is read in ten seconds: the answer, why, what to do.
func (c *checkRun) print(v *modprobe.Verdict) {
	out := c.out
	head := v.Module + " on " + v.Release + ": " + string(v.Outcome)
	switch {
	case v.Outcome == modprobe.Fails:
		head += " (" + strerror(v.Errno) + ")"
	case v.Outcome == modprobe.LoadsTaints:
		head += " (" + taintLetters(v) + ")"
	}
	out.line(head)
	c.findings(v)
	if v.Outcome != modprobe.Fails {
		for _, t := range v.Taints {
			out.line("  taint ", t.Letter, ": ", t.Why)
		}
	}
	for _, l := range limit(v.Log, 6) {
		out.line("  kernel log: ", l)
	}
	for _, u := range v.NotVerified {
		out.line("  not verified: ", u)
	}
	if len(v.Needs) > 0 && v.Outcome != modprobe.Fails {
		out.line("  needs first: ", strings.Join(v.Needs, " "))
	}
	for _, n := range v.Notes {
		out.line("  note: ", n)
	}
	if v.Source != "" {
		out.line("  compared with ", v.Source)
	}
}

// findings writes the reasons. Of many symbols with the same trouble the first three are shown.
func (c *checkRun) findings(v *modprobe.Verdict) {
	shown := map[string]int{}
	for _, f := range v.Findings {
		if shown[f.Kind]++; shown[f.Kind] > 3 && f.Symbol != "" {
			continue
		}
		c.out.line("  ", f.Text)
		if f.Advice != "" && shown[f.Kind+f.Advice] == 0 {
			shown[f.Kind+f.Advice]++
			c.out.line("    -> ", f.Advice)
		}
	}
	for _, f := range v.Findings {
		if n := shown[f.Kind]; n > 3 && f.Symbol != "" {
			c.out.line(fmt.Sprintf("  and %d more symbols like these (%s)", n-3, f.Kind))
			shown[f.Kind] = 0
		}
	}
}

func taintLetters(v *modprobe.Verdict) string {
	letters := ""
	for _, t := range v.Taints {
		letters += t.Letter
	}
	return letters
}

// limit cuts a list and says so in its last line.
func limit(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n-1]), fmt.Sprintf("… and %d more lines", len(list)-n+1))
}

// kernels judges modules against every installed kernel: one row each, then the links that would make them available.
func (c *checkRun) kernels(names []string) int {
	releases, err := modprobe.Releases(c.from.FS, c.from.Dir)
	if err != nil {
		c.checkFailed(err)
		return checkFails
	}
	var all []*modprobe.Verdict
	var links []string
	status := checkFails
	width := 0
	for _, release := range releases {
		width = max(width, len(release))
	}
	for _, release := range releases {
		o := c.from
		o.Release = release
		p, err := modprobe.New(&o)
		var verdicts []*modprobe.Verdict
		if err == nil {
			verdicts, err = c.one(p, names)
		}
		if err != nil {
			if !c.json {
				c.out.line(fmt.Sprintf("%-*s  %v", width, release, err))
			}
			continue
		}
		all = append(all, verdicts...)
		status = min(status, rank(worst(verdicts)))
		for _, v := range verdicts {
			c.row(v, width)
			if v.Outcome != modprobe.Fails && !strings.HasPrefix(v.Path, p.Dir()+"/") {
				links = append(links, "ln -s "+v.Path+" "+p.Dir()+"/weak-updates/"+path.Base(v.Path)+" && depmod "+release)
			}
		}
	}
	if c.json {
		c.printJSON(all)
	} else if len(links) > 0 {
		c.out.line()
		c.out.line("To make them available where they load:")
		for _, l := range links {
			c.out.line("  ", l)
		}
	}
	return rank(status)
}

// rank exchanges failing and unknown, so that the best status is the least, and back.
func rank(status int) int { return [...]int{0, 2, 1}[status] }

// row writes one line of the table.
func (c *checkRun) row(v *modprobe.Verdict, width int) {
	if c.json {
		return
	}
	why := ""
	switch {
	case v.Outcome == modprobe.LoadsTaints:
		why = taintLetters(v)
	case v.Outcome == modprobe.Unknown && len(v.NotVerified) > 0:
		why = "not verified: " + v.NotVerified[0]
	case len(v.Findings) > 0:
		why = v.Findings[0].Text
	}
	c.out.line(strings.TrimRight(fmt.Sprintf("%-*s  %s  %-13s  %s", width, v.Release, v.Module, v.Outcome, why), " "))
}

// printJSON writes verdicts for programs.
func (c *checkRun) printJSON(verdicts []*modprobe.Verdict) {
	var w jsonw.Writer
	w.BeginArray()
	for _, v := range verdicts {
		verdictJSON(&w, v)
	}
	w.EndArray()
	c.out.line(string(w.Bytes()))
}

func verdictJSON(w *jsonw.Writer, v *modprobe.Verdict) {
	field := func(key, value string) {
		if value != "" {
			w.Key(key)
			w.String(value)
		}
	}
	list := func(key string, values []string) {
		if len(values) > 0 {
			w.Key(key)
			w.Strings(values)
		}
	}
	w.BeginObject()
	field("module", v.Module)
	field("path", v.Path)
	field("release", v.Release)
	field("outcome", string(v.Outcome))
	if v.Errno != 0 {
		w.Key("errno")
		w.Int(int64(v.Errno))
		field("error", strerror(v.Errno))
	}
	list("log", v.Log)
	list("may_log", v.MayLog)
	w.Key("taints")
	w.BeginArray()
	for _, t := range v.Taints {
		w.BeginObject()
		field("letter", t.Letter)
		field("why", t.Why)
		w.EndObject()
	}
	w.EndArray()
	w.Key("findings")
	w.BeginArray()
	for _, f := range v.Findings {
		w.BeginObject()
		field("kind", f.Kind)
		w.Key("fatal")
		w.Bool(f.Fatal)
		field("symbol", f.Symbol)
		field("text", f.Text)
		field("advice", f.Advice)
		w.EndObject()
	}
	w.EndArray()
	list("not_verified", v.NotVerified)
	list("needs", v.Needs)
	list("notes", v.Notes)
	field("source", v.Source)
	w.EndObject()
}

// diskCache keeps what was read out of boot images in a folder, one file for each image.
type diskCache struct {
	env *Env
	dir string
}

// cacheDir returns the cache of this user, or nil if there is no place for one.
func cacheDir(env *Env) modprobe.Cache {
	dir := env.Getenv("XDG_CACHE_HOME")
	if dir == "" {
		if dir = env.Getenv("HOME"); dir == "" || dir == "/" {
			return nil
		}
		dir += "/.cache"
	}
	if env.WriteFile == nil || !strings.HasPrefix(dir, "/") {
		return nil
	}
	return diskCache{env, dir + "/gomodprobe/kernels"}
}

func (d diskCache) file(key string) string {
	h := fnv.New64a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s/image-%016x", d.dir, h.Sum64())
}

// Get reads a file of the cache.
func (d diskCache) Get(key string) []byte {
	name, err := fsName(d.env.FS, d.file(key))
	if err != nil {
		return nil
	}
	data, err := fs.ReadFile(d.env.FS, name)
	if err != nil {
		return nil
	}
	return data
}

// Put writes one. A cache that cannot be written is none.
func (d diskCache) Put(key string, data []byte) { d.env.WriteFile(d.file(key), data) }

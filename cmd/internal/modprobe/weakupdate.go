//go:build !kmod_boot

package modprobe

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/depmod"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// weakRun is modprobe --weak-update: links in the weak-updates folders of kernels, to modules that others have.
type weakRun struct {
	*checkRun
	rows   []weakJSON
	failed bool // something could not be read or written
}

// weakJSON is what was found out about, or done with, one link: --weak-update --json.
type weakJSON struct {
	Kernel string `json:"kernel"`
	Module string `json:"module"`
	Link   string `json:"link,omitempty"`
	Target string `json:"target,omitempty"`
	State  string `json:"state"`
	Why    string `json:"why,omitempty"`
}

// The states of links.
const (
	weakMade    = "made"
	weakKept    = "kept"
	weakRemoved = "removed"
	weakRefused = "refused"
	weakHolds   = "holds"
	weakBroken  = "broken"
	weakUnknown = "unknown"
)

// weakUpdate carries out one action for every kernel, or that of -S.
func (r *modprobeRun) weakUpdate(operands []string) int {
	w := &weakRun{checkRun: &checkRun{modprobeRun: r}}
	w.o.Cache, w.o.Installed, w.o.Brief = forcing.CacheDir(r.Env), true, true
	w.o.Files = new(check.Files)
	names := make([]string, len(operands))
	for i, o := range operands {
		if names[i] = o; strings.Contains(o, "/") || moduledir.IsModule(o) {
			abs, err := cli.Absolute(r.Env, o)
			if err != nil {
				r.Errorf("%s: %s", o, cli.Strerror(err))
				return 1
			}
			names[i] = path.Clean(abs)
		}
	}
	releases := []string{r.from.Release}
	if r.from.Release == "" {
		var err error
		if releases, err = modprobe.Releases(r.from.FS, r.from.Dir); err != nil {
			return r.checkFailed(err)
		}
	}
	if r.weak == "add" && !w.files(names) {
		return 1
	}
	for _, release := range releases {
		from := r.from
		from.Release = release
		p, err := modprobe.New(&from)
		if err == nil {
			err = w.kernel(p, names)
		}
		if err != nil {
			r.Errorf("%s: %s", release, r.checkError(err))
			w.failed = true
		}
	}
	return w.finish()
}

// files makes of the operands of add the paths of files.
func (w *weakRun) files(names []string) bool {
	for i, name := range names {
		if !strings.HasPrefix(name, "/") {
			m, err := w.p.Resolve(name)
			if err != nil || len(m) != 1 || m[0].Path == "" {
				w.Errorf("%s: not a module of %s; name its file", name, w.p.Release())
				return false
			}
			names[i] = m[0].Path
		}
		at, err := cli.FSName(w.from.FS, names[i])
		if err == nil {
			_, err = fs.Stat(w.from.FS, at)
		}
		if err != nil {
			w.Errorf("%s: %s", names[i], cli.Strerror(cli.Bare(err)))
			return false
		}
		if !moduledir.IsModule(path.Base(names[i])) {
			w.Errorf("%s: depmod takes a file for a module only if its name ends in .ko, .ko.gz, .ko.xz or .ko.zst",
				names[i])
			return false
		}
	}
	return true
}

// kernel carries out the action for one kernel.
func (w *weakRun) kernel(p *modprobe.Prober, names []string) error {
	f, err := openWeak(w.from.FS, w.host(), p)
	if err != nil {
		return err
	}
	switch w.weak {
	case "add":
		return w.add(f, names)
	case "remove":
		return w.removeLinks(f, names)
	}
	return w.look(f, names)
}

// host is the root folder on this machine.
func (w *weakRun) host() string {
	if w.root == "" {
		return "/"
	}
	abs, _ := cli.Absolute(w.Env, w.root) // start has asked before
	return abs
}

// judge asks what the kernel of f says to files, as a set.
func (w *weakRun) judge(f *weakFolder, files []string) (map[string]*check.Verdict, error) {
	found := map[string]*check.Verdict{}
	if len(files) == 0 {
		return found, nil
	}
	o := w.o
	o.Names = files
	checker, err := check.New(f.p, &o)
	if err != nil {
		return nil, err
	}
	verdicts, err := checker.Check(files...)
	for _, e := range causes(err) {
		w.Errorf("%s: %s", f.p.Release(), w.checkError(e))
		w.failed = true
	}
	for _, v := range verdicts {
		found[v.Path] = v
	}
	return found, nil
}

// stands tells whether a link to a module is right by its verdict, and why.
func (w *weakRun) stands(v *check.Verdict) (state, why string) {
	switch {
	case v == nil:
		return weakBroken, "the file cannot be read"
	case v.Outcome == check.Loads || v.Outcome == check.LoadsTaints:
		why = string(v.Outcome)
		if letters := taintLetters(v); letters != "" {
			why += " (" + letters + ")"
		}
		return weakHolds, why + ", compared with " + v.Source
	case v.Outcome == check.Unknown && len(v.NotVerified) > 0:
		return weakUnknown, "not verified: " + v.NotVerified[0]
	case v.Outcome != check.Fails:
		return weakUnknown, string(v.Outcome)
	case v.Changes != nil && v.Changes.Class.Compatible() && !v.Hopeless:
		why = v.Changes.Summary(v.Module) + "; it loads with --force-compatible only"
		if w.namesNone {
			return weakHolds, why
		}
		return weakBroken, why
	case len(v.Findings) > 0:
		return weakBroken, v.Findings[0].Text
	}
	return weakBroken, v.Error
}

// note adds a row.
func (w *weakRun) note(f *weakFolder, link weakLink, state, why string) {
	w.rows = append(w.rows, weakJSON{f.p.Release(), link.module, link.path, link.target, state, why})
}

// add links the files that the kernel takes.
func (w *weakRun) add(f *weakFolder, files []string) error {
	var asked []string
	links := map[string]weakLink{}
	for _, file := range files {
		l := weakLink{module: alias.FromPath(file), path: f.dir + "/" + path.Base(file), target: file}
		if f.holds(file) {
			continue // it is in this kernel's own tree
		}
		if m, ok := f.p.Module(l.module); ok && m.Name == l.module && (m.Builtin || m.Path != "") && !f.in(m.Path) {
			l.path = ""
			why := "the kernel has it built in"
			if !m.Builtin {
				why = "the kernel has one of its own: " + m.Path
			}
			w.note(f, l, weakRefused, why)
			continue
		}
		links[file] = l
		asked = append(asked, file)
	}
	verdicts, err := w.judge(f, asked)
	if err != nil {
		return err
	}
	changed := false
	for _, file := range needsFirst(asked, verdicts) {
		l := links[file]
		state, why := w.stands(verdicts[file])
		if state != weakHolds {
			l.path = ""
			w.note(f, l, weakRefused, why)
			continue
		}
		made, err := f.link(l, w.dryRun)
		if err != nil {
			return err
		}
		changed = changed || made
		state = weakKept
		if made {
			state = weakMade
		}
		w.note(f, l, state, why)
	}
	return w.tables(f, changed)
}

// removeLinks removes the links of modules, and those of modules that need them.
func (w *weakRun) removeLinks(f *weakFolder, names []string) error {
	var files []string
	for _, l := range f.links {
		if l.sound {
			files = append(files, l.target)
		}
	}
	gone := map[string]string{} // why, by the module's name
	for _, l := range f.links {
		for _, name := range names {
			if l.target == name || l.module == alias.FromPath(name) || l.path == name {
				gone[l.module] = "asked for"
			}
		}
	}
	if len(gone) == 0 {
		return w.tables(f, false)
	}
	verdicts, err := w.judge(f, files)
	if err != nil { // which needs which is not known: only what is asked for goes
		verdicts = map[string]*check.Verdict{}
	}
	for again := true; again; {
		again = false
		for _, l := range f.links {
			v := verdicts[l.target]
			if v == nil || gone[l.module] != "" {
				continue
			}
			for _, need := range v.Needs {
				if gone[need] != "" {
					gone[l.module], again = "it needs "+need, true
				}
			}
		}
	}
	order := needsFirst(files, verdicts)
	slices.Reverse(order)
	at := func(l weakLink) int { return slices.Index(order, l.target) }
	list := slices.Clone(f.links)
	slices.SortStableFunc(list, func(a, b weakLink) int { return at(a) - at(b) })
	changed := false
	for _, l := range list {
		if gone[l.module] == "" {
			continue
		}
		if err := f.unlink(l, w.dryRun); err != nil {
			return err
		}
		changed = true
		w.note(f, l, weakRemoved, gone[l.module])
	}
	return w.tables(f, changed)
}

// look says of each link whether it stands; with check only those that do not.
func (w *weakRun) look(f *weakFolder, names []string) error {
	var files []string
	for _, l := range f.links {
		if l.sound {
			files = append(files, l.target)
		}
	}
	verdicts, err := w.judge(f, files)
	if err != nil {
		return err
	}
	for _, l := range f.links {
		if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool {
			return n == l.target || n == l.path || alias.FromPath(n) == l.module
		}) {
			continue
		}
		state, why := weakBroken, "it leads to no module"
		if l.sound {
			state, why = w.stands(verdicts[l.target])
		}
		if m, ok := f.p.Module(l.module); l.sound && state == weakHolds && (!ok || m.Name != l.module) {
			state, why = weakBroken, "depmod has not been run since it was made"
		} else if ok && l.sound && m.Name == l.module && m.Path != "" && !f.in(m.Path) {
			state, why = weakBroken, "the kernel has one of its own, which counts: "+m.Path
		}
		if w.weak == "list" || state != weakHolds {
			w.note(f, l, state, why)
		}
	}
	return nil
}

// tables runs depmod for a tree whose links have changed, or whose tables do not have the links that are there: an
// earlier run was killed.
func (w *weakRun) tables(f *weakFolder, changed bool) error {
	if w.dryRun || !changed && !f.outdated() {
		return nil
	}
	env := *w.Env
	env.Args = []string{"depmod", "--cache"}
	switch {
	case w.root != "":
		env.Args = append(env.Args, "-b", w.host())
	case w.from.Dir != "":
		env.Args = append(env.Args, "-b", w.from.Dir)
	}
	env.Args = append(env.Args, f.p.Release())
	if depmod.Main(&env) != 0 {
		return fmt.Errorf("depmod failed: the links are there, and not yet in the tables")
	}
	return nil
}

// finish prints the rows.
func (w *weakRun) finish() int {
	status := 0
	var widths [3]int
	for _, row := range w.rows {
		widths = [3]int{max(widths[0], len(row.Kernel)), max(widths[1], len(row.Module)), max(widths[2], len(row.State))}
		switch {
		case w.weak != "check":
		case row.State == weakBroken:
			status = checkFails
		case row.State == weakUnknown && status == 0:
			status = checkUnknown
		}
	}
	if w.json {
		w.out.JSON(cli.OrEmpty(w.rows))
	} else {
		for _, row := range w.rows {
			w.out.Line(fmt.Sprintf("%-*s  %-*s  %-*s  %s", widths[0], row.Kernel, widths[1], row.Module, widths[2],
				row.State, row.Why))
		}
	}
	if w.failed {
		return 1
	}
	return status
}

// needsFirst puts files into an order in which each comes after those that it needs.
func needsFirst(files []string, verdicts map[string]*check.Verdict) []string {
	byName := map[string]string{}
	for _, file := range files {
		if v := verdicts[file]; v != nil {
			byName[v.Module] = file
		}
	}
	var order []string
	seen := map[string]bool{}
	var visit func(file string)
	visit = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		if v := verdicts[file]; v != nil {
			for _, need := range v.Needs {
				if other := byName[need]; other != "" {
					visit(other)
				}
			}
		}
		order = append(order, file)
	}
	for _, file := range files {
		visit(file)
	}
	return order
}

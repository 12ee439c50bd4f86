package initramfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// selector walks from what is asked for to all that is needed.
type selector struct {
	ctx     context.Context
	p       *modprobe.Prober
	fsys    fs.FS
	o       *Options
	config  *modprobe.Config
	dir     string // module folder in fsys
	deps    []depEntry
	byName  map[string]int // position in deps
	omitted map[string]bool
	modules []Module
	index   map[string]int // position in modules
	missing []Missing
	missed  map[string]bool
	unused  []string            // of Options.Omit
	needs   map[string][]string // of Hidden; nil before the first use
	gone    map[string]string   // what only the tables on the disk have: name → path
	lost    map[string][]string // needs of modules that are gone
}

// newSelector reads the configuration and the list of modules.
func newSelector(ctx context.Context, p *modprobe.Prober, fsys fs.FS, o *Options) (*selector, error) {
	s := &selector{
		ctx: ctx, p: p, fsys: fsys, o: o, config: p.Config(),
		dir:     strings.Trim(path.Clean(p.Dir()), "/"),
		omitted: make(map[string]bool), index: make(map[string]int), missed: make(map[string]bool),
	}
	var err error
	if s.deps, err = readDeps(fsys, s.dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := fs.Stat(fsys, s.dir); err != nil {
			return nil, fmt.Errorf("kernel %s: %w in /%s", p.Release(), modprobe.ErrNoTables, s.dir)
		}
		return nil, fmt.Errorf("kernel %s: %w in /%s: it has no modules.dep; run depmod", p.Release(),
			modprobe.ErrNoTables, s.dir)
	} else if err != nil {
		return nil, err
	}
	s.byName = make(map[string]int, len(s.deps))
	for i, d := range s.deps {
		s.byName[d.name] = i
	}
	return s, nil
}

// omit notes what is to be left out.
func (s *selector) omit() error {
	for _, o := range s.o.Omit {
		names, err := s.find(o)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(names) == 0 {
			s.unused = append(s.unused, o)
		}
		for _, n := range names {
			s.omitted[n] = true
		}
	}
	return nil
}

// request selects what an element of Options.Add, or a need of another module, stands for.
func (s *selector) request(what string, r Reason) {
	names, err := s.find(what)
	if err != nil {
		if file := s.gone[strings.ReplaceAll(what, "-", "_")]; file != "" {
			err = &StaleError{file}
		}
		s.miss(what, r, err)
		return
	}
	for _, n := range names {
		s.add(n, r)
	}
}

// compare notes what the tables on the disk list and is not there any more, and which modules need it.
func (s *selector) compare(disk fs.FS) {
	old, err := readDeps(disk, s.dir)
	if err != nil {
		return // they say nothing
	}
	s.gone, s.lost = make(map[string]string), make(map[string][]string)
	for _, d := range old {
		if _, ok := s.byName[d.name]; !ok {
			s.gone[d.name] = d.path
		}
	}
	for _, d := range old {
		for _, dep := range strings.Fields(d.deps) {
			if name := alias.FromPath(dep); s.gone[name] != "" {
				s.lost[d.name] = append(s.lost[d.name], name)
			}
		}
	}
}

// device selects the modules for a modalias, if there are any.
func (s *selector) device(modalias string) {
	modules, err := s.p.Resolve(modalias)
	if err != nil {
		return
	}
	for _, m := range modules {
		s.add(m.Name, Reason{Kind: Device, As: modalias})
	}
}

// find returns the names of modules that an element of Options.Add stands for.
func (s *selector) find(what string) ([]string, error) {
	var match func(d *depEntry) bool
	switch dir, folder := strings.CutPrefix(what, "="); {
	case folder:
		dir = strings.Trim(path.Clean("/"+dir), "/") + "/"
		match = func(d *depEntry) bool {
			return strings.HasPrefix(below(d.path), dir) || strings.HasPrefix(d.path, dir)
		}
	case strings.ContainsAny(what, "*?[") && strings.Contains(what, "/") && !strings.Contains(what, ":"):
		pattern := strings.TrimPrefix(what, "/"+s.dir+"/")
		match = func(d *depEntry) bool {
			return glob.Match(pattern, d.path) || glob.Match(pattern, below(d.path))
		}
	case strings.ContainsAny(what, "*?[") && !strings.Contains(what, ":"):
		pattern, err := alias.Normalize(what)
		if err != nil {
			return nil, err
		}
		match = func(d *depEntry) bool { return glob.Match(pattern, d.name) }
	case strings.Contains(what, "/") && !strings.Contains(what, ":"):
		file := strings.TrimPrefix(what, "/"+s.dir+"/")
		match = func(d *depEntry) bool { return d.path == file || below(d.path) == file }
	default:
		return s.resolve(what)
	}
	var names []string
	for i := range s.deps {
		if match(&s.deps[i]) {
			names = append(names, s.deps[i].name)
		}
	}
	if names == nil {
		return nil, errNoMatch
	}
	return names, nil
}

// errNoMatch is a pattern, folder or file that no module in the tables has.
const errNoMatch = notFound("no module is there")

// notFound is an error that is fs.ErrNotExist.
type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == fs.ErrNotExist }

// below returns a module's path without its first part, kernel/ or updates/.
func below(file string) string { return file[strings.IndexByte(file, '/')+1:] }

// resolve looks a name or an alias up.
func (s *selector) resolve(name string) ([]string, error) {
	modules, err := s.p.Resolve(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range modules {
		names = append(names, m.Name)
	}
	return names, nil
}

// add selects a module for a reason.
func (s *selector) add(name string, r Reason) {
	if s.omitted[name] {
		if r.By != "" {
			s.miss(name, r, ErrOmitted)
		}
		return
	}
	if i, ok := s.index[name]; ok {
		m := &s.modules[i]
		if !slices.Contains(m.Reasons, r) {
			m.Reasons = append(m.Reasons, r)
		}
		return
	}
	m := Module{Name: name, Reasons: []Reason{r}}
	if i, ok := s.byName[name]; ok {
		m.Path = s.deps[i].path
	} else if found, err := s.p.Resolve(name); err == nil && len(found) > 0 && found[0].Builtin {
		m.Builtin = true
	} else {
		if err == nil {
			err = modprobe.ErrNotFound
		}
		s.miss(name, r, err)
		return
	}
	s.index[name] = len(s.modules)
	s.modules = append(s.modules, m)
}

// miss notes that something is not there, once for each asker.
func (s *selector) miss(name string, r Reason, err error) {
	key := name + "\x00" + r.By
	if !s.missed[key] {
		s.missed[key] = true
		s.missing = append(s.missing, Missing{name, r, err})
	}
}

// expand goes on until everything that is needed is selected.
func (s *selector) expand() error {
	for i := 0; i < len(s.modules); i++ {
		if i%256 == 0 && s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		name := s.modules[i].Name
		if at, ok := s.byName[name]; ok {
			deps := strings.Fields(s.deps[at].deps)
			for j := len(deps) - 1; j >= 0; j-- {
				s.add(alias.FromPath(deps[j]), Reason{Kind: Dependency, By: name})
			}
		}
		for _, dep := range s.lost[name] {
			s.miss(dep, Reason{Kind: Dependency, By: name}, &StaleError{s.gone[dep]})
		}
		s.soft(name)
		if !s.o.NoWeak {
			s.weak(name)
		}
		if !s.o.NoHidden {
			s.hidden(name)
		}
	}
	return nil
}

// soft selects what all softdep lines for a module name. What does not exist is passed over, as when the
// module is loaded.
func (s *selector) soft(name string) {
	for _, d := range s.config.Softdeps {
		if !glob.Match(d.Pattern, name) {
			continue
		}
		for _, other := range slices.Concat(d.Pre, d.Post) {
			s.optional(other, Reason{Kind: Softdep, By: name, As: other})
		}
	}
}

// weak selects what the first weakdep line for a module names.
func (s *selector) weak(name string) {
	for _, d := range s.config.Weakdeps {
		if !glob.Match(d.Pattern, name) {
			continue
		}
		for _, other := range d.Modules {
			s.optional(other, Reason{Kind: Weakdep, By: name, As: other})
		}
		return
	}
}

// optional selects modules that are not missed if they do not exist.
func (s *selector) optional(what string, r Reason) {
	names, err := s.resolve(what)
	if err != nil {
		return
	}
	for _, n := range names {
		s.add(n, r)
	}
}

// selection returns the result.
func (s *selector) selection() *Selection {
	sel := &Selection{
		Release: s.p.Release(), Dir: s.dir, Modules: s.modules, Missing: s.missing, NoEffect: s.unused,
		fsys: s.fsys, o: *s.o, index: make(map[string]int, len(s.modules)),
	}
	sort.Slice(sel.Modules, func(i, j int) bool {
		a, b := &sel.Modules[i], &sel.Modules[j]
		if a.Builtin != b.Builtin {
			return b.Builtin
		}
		return cmp.Or(comparePaths(a.Path, b.Path), cmp.Compare(a.Name, b.Name)) < 0
	})
	for i, m := range sel.Modules {
		sel.index[m.Name] = i
		if !m.Builtin {
			sel.deps = append(sel.deps, s.deps[s.byName[m.Name]])
		}
	}
	sortMissing(sel.Missing)
	return sel
}

package modprobe

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Module is a module that a name leads to.
type Module struct {
	// Name is the module's name, spelled with underscores.
	Name string
	// Alias is the alias it was found by: the pattern if it is from the configuration, else what was asked for,
	// normalized. Empty if it was found by its name.
	Alias string
	// Path is its file. Empty if there is none: the module is builtin, is only a command, or does not exist.
	Path string
	// Builtin reports that it is a part of the kernel.
	Builtin bool
	// Depends holds the names of the modules it needs, the deepest first, each after all that it needs itself.
	Depends []string
}

// Resolve returns the modules that a name, an alias, or an absolute path stands for, in the order in which they would
// be loaded. One alias may have several modules, and kmod's duplicates are kept. The error is an *Error that wraps
// ErrNotFound, or ErrNoTables as well if there is no module tree.
//
// The places that are asked, and which of them ends the search, are those of kmod_module_new_from_lookup: aliases of
// the configuration, names, symbols, install and remove commands, aliases of the modules, builtin names, builtin
// aliases.
func (p *Prober) Resolve(name string) (modules []Module, err error) {
	p.settled(func() { modules, err = p.resolve(name) })
	return modules, err
}

// resolve is Resolve, with whatever tables there are.
func (p *Prober) resolve(name string) ([]Module, error) {
	if strings.HasPrefix(name, "/") {
		nodes, err := newSearch(p).find(name)
		if err != nil {
			return nil, err
		}
		return []Module{p.module(*nodes[0])}, nil
	}
	p.base() // reports mistakes in the configuration, whatever the name is
	var buffer [8]node
	nodes := p.lookup(buffer[:0], name)
	if len(nodes) == 0 {
		return nil, &Error{Op: "resolve", Module: name, Err: p.notFound()}
	}
	modules := make([]Module, len(nodes))
	for i, n := range nodes {
		modules[i] = p.module(n)
	}
	return modules, nil
}

// Module returns the module of that name, which is not looked for among the aliases of module files. If there is none,
// it returns the first builtin module that has the name as an alias, as kmod_module_new_from_name_lookup does; false if
// there is none either.
func (p *Prober) Module(name string) (Module, bool) {
	m := p.module(node{name: alias.ModName(name)})
	if m.Path != "" || m.Builtin {
		return m, true
	}
	nodes := p.values(nil, p.builtinAlias(), m.Name)
	if len(nodes) == 0 {
		return Module{}, false
	}
	m = p.module(nodes[0])
	// modules.builtin does not list what can only be built in.
	m.Builtin = m.Builtin || m.Path == ""
	return m, true
}

// node is a module that a name leads to, or that one of these needs.
type node struct {
	name            string // may be memory of a table, until search.node keeps it
	alias           string // the one it was found by; see Module.Alias
	install, remove string // the command it was found by

	file    bool // named by its file, though a builtin module may have the name as well
	filled  bool // path, builtin and needs are known
	path    string
	builtin bool
	needs   []string // the files, or just the names, of the modules it needs, the deepest first

	visited, required bool
}

// files returns the file of a module and those of the modules it needs, the deepest first; false if the tree has no
// such module.
func (p *Prober) files(module string) (file string, needs []string, ok bool) {
	line, ok := p.dep().Lookup(module)
	if !ok {
		return "", nil, false
	}
	file, rest, _ := strings.Cut(strings.Clone(line), ":") // line may be memory of the table
	for need := range strings.FieldsSeq(rest) {
		needs = append(needs, p.path(p.present(need)))
	}
	slices.Reverse(needs)
	return p.path(p.present(file)), needs, true
}

// present returns the file of a module that the tables list: the one listed, or if that is gone the one that the tree
// has instead, compressed otherwise or in another folder. If there is none either it returns what is listed:
// opening that gives the error.
func (p *Prober) present(listed string) string {
	if strings.HasPrefix(listed, "/") {
		return listed
	}
	if _, err := fs.Stat(p.fsys, p.name(listed)); !errors.Is(err, fs.ErrNotExist) {
		return listed
	}
	instead, _ := p.tree().file(alias.FromPath(listed))
	for _, name := range moduledir.Siblings(listed) {
		if _, err := fs.Stat(p.fsys, p.name(name)); err == nil {
			instead = name
			break
		}
	}
	if instead == "" {
		return listed
	}
	p.tables.Load().reported.Do(func() {
		p.report(&TableError{File: p.path("modules.dep.bin"), Instead: instead,
			Err: fmt.Errorf("stale: %s, which it lists, is gone", listed)})
	})
	return instead
}

// Unlisted returns the file of a module that is in the tree but in no table, because depmod has not run since it
// came, or the tables are those of another tree. It goes through the whole tree.
func (p *Prober) Unlisted(name string) (path string, ok bool) {
	if _, noTables := p.dep().(*tree); noTables {
		return "", false
	}
	module := alias.ModName(name)
	file, ok := p.tree().file(module)
	if !ok || p.hasModule(module) {
		return "", false
	}
	return p.path(file), true
}

// fill finds a node's file and what it needs.
func (p *Prober) fill(n *node) {
	if n.filled {
		return
	}
	n.filled = true
	file, needs, ok := p.files(n.name)
	if !ok {
		_, n.builtin = p.builtin().Lookup(n.name)
		return
	}
	if n.path == "" {
		n.path = file
	}
	n.needs = needs
}

// module returns a node, filled, as a Module.
func (p *Prober) module(n node) Module {
	n.name = strings.Clone(n.name)
	p.fill(&n)
	return n.module()
}

// module returns a filled node as a Module.
func (n *node) module() Module {
	m := Module{Name: n.name, Alias: n.alias, Path: n.path, Builtin: n.builtin}
	for _, need := range n.needs {
		m.Depends = append(m.Depends, alias.FromPath(need))
	}
	return m
}

// search is a series of lookups for one plan. Modules found twice by the same name or alias share a node.
type search struct {
	p     *Prober
	nodes map[string]*node
}

// newSearch returns a search that has found nothing yet.
func newSearch(p *Prober) *search { return &search{p: p, nodes: make(map[string]*node)} }

// node returns the module of that name, found by that alias.
func (s *search) node(name, alias string) *node {
	key := name
	if alias != "" {
		key += "\\" + alias
	}
	n := s.nodes[key]
	if n == nil {
		n = &node{name: strings.Clone(name), alias: alias} // name may be memory of a table
		s.nodes[key] = n
	}
	return n
}

// loaded returns the module of that name if it is loaded, for names that the tree lacks: a container has no tree, the
// tree may be of another build, or the file may be gone.
func (s *search) loaded(name string) *node {
	name, err := alias.Normalize(name)
	if err != nil || s.p.fileState(name) != live {
		return nil
	}
	return s.node(name, "")
}

// state returns the state of a node's module.
func (s *search) state(n *node) state {
	if n.file {
		return s.p.fileState(n.name)
	}
	return s.p.state(n.name)
}

// needs returns the modules that a module needs, the deepest first.
func (s *search) needs(n *node) (nodes []*node) {
	s.p.fill(n)
	for _, file := range n.needs {
		d := s.node(alias.FromPath(file), "")
		d.file = true
		if d.path == "" {
			d.path = file
		}
		nodes = append(nodes, d)
	}
	return nodes
}

// find returns the modules for a name as typed, or the error that says there are none.
func (s *search) find(name string) ([]*node, error) {
	s.p.base() // reports mistakes in the configuration, whatever the name is
	if strings.HasPrefix(name, "/") {
		n := s.node(alias.FromPath(name), "")
		n.path, n.file = name, true
		file, err := sysroot.Name(s.p.fsys, name)
		if err == nil && strings.HasSuffix(name, "/") {
			err = fs.ErrNotExist // a folder is no module
		}
		if err == nil {
			_, err = fs.Stat(s.p.fsys, file)
		}
		if err != nil {
			return nil, &Error{Op: "resolve", Module: n.name, Path: name, Err: err}
		}
		return []*node{n}, nil
	}
	if nodes := s.lookup(name); nodes != nil {
		return nodes, nil
	}
	return nil, &Error{Op: "resolve", Module: name, Err: s.p.notFound()}
}

// lookup returns the modules for a name; nil if there are none.
func (s *search) lookup(name string) (nodes []*node) {
	var buffer [8]node
	for _, found := range s.p.lookup(buffer[:0], name) {
		n := s.node(found.name, found.alias)
		if found.install != "" || found.remove != "" {
			n.install, n.remove = found.install, found.remove
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// softNodes returns the modules that the names of a softdep stand for. Names that stand for nothing are skipped.
func (s *search) softNodes(names []string) (nodes []*node) {
	for _, name := range names {
		if _, err := alias.Normalize(name); err != nil {
			s.p.report(&NameError{name, err})
			continue
		}
		nodes = append(nodes, s.lookup(name)...)
	}
	return nodes
}

package modprobe

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
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

// Resolve returns the modules that a name, an alias, or an absolute path stands for, in the order in which they would be
// loaded. One alias may have several modules, and kmod's duplicates are kept. The error is an *Error that wraps
// ErrNotFound, or ErrNoTables as well if there is no module tree.
//
// The places that are asked, and which of them ends the search, are those of kmod_module_new_from_lookup: aliases of
// the configuration, names, symbols, install and remove commands, aliases of the modules, builtin names, builtin aliases.
func (p *Prober) Resolve(name string) ([]Module, error) {
	if strings.HasPrefix(name, "/") {
		s := newSearch(p)
		nodes, err := s.find(name)
		if err != nil {
			return nil, err
		}
		s.fill(nodes[0])
		return []Module{nodes[0].module()}, nil
	}
	p.base() // so that what is wrong there is said whatever the name
	var buffer [8]hit
	hits := p.lookup(buffer[:0], name)
	if len(hits) == 0 {
		return nil, &Error{Op: "resolve", Module: name, Err: p.notFound()}
	}
	modules := make([]Module, len(hits))
	for i, h := range hits {
		modules[i] = p.fill(h)
	}
	return modules, nil
}

// fill finds the file of a module and what it needs.
func (p *Prober) fill(h hit) Module {
	m := Module{Name: strings.Clone(h.name), Alias: h.alias}
	line, ok := p.dep().Lookup(m.Name)
	if !ok {
		_, m.Builtin = p.builtin().Lookup(m.Name)
		return m
	}
	file, deps, _ := strings.Cut(line, ":")
	m.Path = p.path(file)
	fields := strings.Fields(strings.Clone(deps)) // of the table, as h.name may be
	slices.Reverse(fields)
	for i, f := range fields {
		fields[i] = alias.FromPath(f)
	}
	if len(fields) > 0 {
		m.Depends = fields
	}
	return m
}

// search is one walk over names. Modules met twice by the same name or alias are the same node.
type search struct {
	p     *Prober
	nodes map[string]*node
}

// node is a module met on the way.
type node struct {
	name, alias string
	filled      bool // path, builtin and deps are known
	path        string
	builtin     bool
	deps        []*node // deepest first

	install, remove string // the command it was found by

	visited, required bool
}

func newSearch(p *Prober) *search { return &search{p: p, nodes: make(map[string]*node)} }

// module returns what others may know of a node.
func (n *node) module() Module {
	m := Module{Name: n.name, Alias: n.alias, Path: n.path, Builtin: n.builtin}
	for _, d := range n.deps {
		m.Depends = append(m.Depends, d.name)
	}
	return m
}

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

// fill finds a node's file and what it needs.
func (s *search) fill(n *node) {
	if n.filled {
		return
	}
	n.filled = true
	line, ok := s.p.dep().Lookup(n.name)
	if !ok {
		_, n.builtin = s.p.builtin().Lookup(n.name)
		return
	}
	file, deps, _ := strings.Cut(line, ":")
	if n.path == "" {
		n.path = s.p.path(file)
	}
	fields := strings.Fields(deps)
	for i := len(fields) - 1; i >= 0; i-- {
		d := s.node(alias.FromPath(fields[i]), "")
		if d.path == "" {
			d.path = s.p.path(fields[i])
		}
		n.deps = append(n.deps, d)
	}
}

// find returns the modules for a name as typed, or the error that says there are none.
func (s *search) find(name string) ([]*node, error) {
	s.p.base() // so that what is wrong there is said whatever the name
	if strings.HasPrefix(name, "/") {
		n := s.node(alias.FromPath(name), "")
		n.path = name
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
	var buffer [8]hit
	for _, h := range s.p.lookup(buffer[:0], name) {
		n := s.node(h.name, h.alias)
		if h.install != "" || h.remove != "" {
			n.install, n.remove = h.install, h.remove
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// softNodes returns the modules that the names of a softdep stand for. A name that leads nowhere is passed over.
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

package modprobe

import (
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/index"
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
	s := newSearch(p)
	nodes, err := s.find(name)
	if err != nil {
		return nil, err
	}
	modules := make([]Module, len(nodes))
	for i, n := range nodes {
		s.fill(n)
		modules[i] = n.module()
	}
	return modules, nil
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

// lookup asks one place after the other; nil if none knows the name. kmod looks no alias up again: what it leads to is
// a module.
func (s *search) lookup(name string) []*node {
	query, err := alias.Normalize(name)
	if err != nil {
		return nil
	}
	if nodes := s.configAlias(query); nodes != nil {
		return nodes
	}
	if !strings.Contains(query, ":") {
		if _, ok := s.p.dep().Lookup(query); ok {
			return []*node{s.node(query, "")}
		}
	} else if strings.HasPrefix(query, "symbol:") {
		if nodes := s.values(s.p.symbols(), query); nodes != nil {
			return nodes
		}
	}
	if n := s.command(query); n != nil {
		return []*node{n}
	}
	if nodes := s.values(s.p.alias(), query); nodes != nil {
		return nodes
	}
	if _, ok := s.p.builtin().Lookup(query); ok {
		return []*node{s.node(query, "")}
	}
	return s.values(s.p.builtinAlias(), query)
}

// configAlias returns the modules of all alias directives that match.
func (s *search) configAlias(query string) (nodes []*node) {
	for _, a := range s.p.base().Aliases {
		if glob.Match(a.Pattern, query) {
			nodes = append(nodes, s.node(a.Module, a.Pattern))
		}
	}
	return nodes
}

// command returns a module that has an install or remove command under exactly this name.
func (s *search) command(query string) *node {
	c := s.p.base()
	for _, command := range c.Install {
		if command.Pattern == query {
			n := s.node(query, "")
			n.install = command.Text
			return n
		}
	}
	for _, command := range c.Remove {
		if command.Pattern == query {
			n := s.node(query, "")
			n.remove = command.Text
			return n
		}
	}
	return nil
}

// values returns the modules a table has for a name.
func (s *search) values(t table, query string) (nodes []*node) {
	var buffer [8]index.Value
	for _, v := range t.Search(buffer[:0], query) {
		nodes = append(nodes, s.node(v.Value, query))
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

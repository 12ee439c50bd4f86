package modprobe

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// AppendNames appends to dst the names of the modules that a name or an alias stands for, in the order in which they
// would be loaded: those that [Prober.Resolve] returns. It appends nothing if there are none.
//
// It is for callers that look up many names: it takes about a microsecond, and allocates nothing if dst is large
// enough, the tables are there, and name has no dash outside of brackets. The names share the memory of the tables, and
// are valid until [Prober.Close]; strings.Clone them to keep them for longer.
func (p *Prober) AppendNames(dst []string, name string) []string {
	var buffer [8]node
	for _, n := range p.lookup(buffer[:0], name) {
		dst = append(dst, n.name)
	}
	return dst
}

// lookup searches one source after the other and appends what the first one that has the name returns. As in kmod, the
// target of an alias is the name of a module and is not looked up again.
func (p *Prober) lookup(dst []node, name string) []node {
	query, err := alias.Normalize(name)
	if err != nil {
		return dst
	}
	if nodes := p.configAlias(dst, query); len(nodes) > len(dst) {
		return nodes
	}
	if !strings.Contains(query, ":") {
		if p.hasModule(query) {
			return append(dst, node{name: query})
		}
	} else if strings.HasPrefix(query, "symbol:") {
		if nodes := p.values(dst, p.symbols(), query); len(nodes) > len(dst) {
			return nodes
		}
	}
	if nodes := p.command(dst, query); len(nodes) > len(dst) {
		return nodes
	}
	if nodes := p.values(dst, p.alias(), query); len(nodes) > len(dst) {
		return nodes
	}
	if _, ok := p.builtin().Lookup(query); ok {
		return append(dst, node{name: query})
	}
	return p.values(dst, p.builtinAlias(), query)
}

// hasModule reports whether the tree has a module of that name.
func (p *Prober) hasModule(name string) bool {
	dep := p.dep()
	if t, ok := dep.(*tree); ok {
		return t.has(name)
	}
	_, ok := dep.Lookup(name)
	return ok
}

// configAlias appends the modules of all alias directives that match.
func (p *Prober) configAlias(dst []node, query string) []node {
	for _, a := range p.base().Aliases {
		if glob.Match(a.Pattern, query) {
			dst = append(dst, node{name: a.Module, alias: a.Pattern})
		}
	}
	return dst
}

// command appends the module that has an install or remove command under exactly this name.
func (p *Prober) command(dst []node, query string) []node {
	c := p.base()
	for _, command := range c.Install {
		if command.Pattern == query {
			return append(dst, node{name: query, install: command.Text})
		}
	}
	for _, command := range c.Remove {
		if command.Pattern == query {
			return append(dst, node{name: query, remove: command.Text})
		}
	}
	return dst
}

// values appends the modules a table has for a name.
func (p *Prober) values(dst []node, t table, query string) []node {
	found, _ := p.found.Get().(*[]index.Value)
	if found == nil {
		found = new([]index.Value)
	}
	*found = t.Search((*found)[:0], query)
	for _, v := range *found {
		dst = append(dst, node{name: v.Value, alias: query})
	}
	p.found.Put(found)
	return dst
}

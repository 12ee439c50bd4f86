package modprobe

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/index"
)

// AppendNames appends to dst the names of the modules that a name or an alias stands for, in the order in which they
// would be loaded: those that [Prober.Resolve] returns. It appends nothing if there are none.
//
// It is for those who look up many: it takes about a microsecond, and allocates nothing if dst is large enough,
// the tables are there, and name has no dash outside of brackets. The names share the memory of the tables, and are
// valid until [Prober.Close]; strings.Clone them to keep them for longer.
func (p *Prober) AppendNames(dst []string, name string) []string {
	var buffer [8]hit
	for _, h := range p.lookup(buffer[:0], name) {
		dst = append(dst, h.name)
	}
	return dst
}

// hit is a module that a name leads to.
type hit struct {
	// name may be memory of a table.
	name string
	// alias is the one it was found by; see Module.Alias.
	alias string
	// install or remove is the command it was found by.
	install, remove string
}

// lookup asks one place after the other and appends what the first that knows the name says. kmod looks no alias up
// again: what it leads to is a module.
func (p *Prober) lookup(dst []hit, name string) []hit {
	query, err := alias.Normalize(name)
	if err != nil {
		return dst
	}
	if hits := p.configAlias(dst, query); len(hits) > len(dst) {
		return hits
	}
	if !strings.Contains(query, ":") {
		if _, ok := p.dep().Lookup(query); ok {
			return append(dst, hit{name: query})
		}
	} else if strings.HasPrefix(query, "symbol:") {
		if hits := p.values(dst, p.symbols(), query); len(hits) > len(dst) {
			return hits
		}
	}
	if hits := p.command(dst, query); len(hits) > len(dst) {
		return hits
	}
	if hits := p.values(dst, p.alias(), query); len(hits) > len(dst) {
		return hits
	}
	if _, ok := p.builtin().Lookup(query); ok {
		return append(dst, hit{name: query})
	}
	return p.values(dst, p.builtinAlias(), query)
}

// configAlias appends the modules of all alias directives that match.
func (p *Prober) configAlias(dst []hit, query string) []hit {
	for _, a := range p.base().Aliases {
		if glob.Match(a.Pattern, query) {
			dst = append(dst, hit{name: a.Module, alias: a.Pattern})
		}
	}
	return dst
}

// command appends the module that has an install or remove command under exactly this name.
func (p *Prober) command(dst []hit, query string) []hit {
	c := p.base()
	for _, command := range c.Install {
		if command.Pattern == query {
			return append(dst, hit{name: query, install: command.Text})
		}
	}
	for _, command := range c.Remove {
		if command.Pattern == query {
			return append(dst, hit{name: query, remove: command.Text})
		}
	}
	return dst
}

// values appends the modules a table has for a name.
func (p *Prober) values(dst []hit, t table, query string) []hit {
	found, _ := p.found.Get().(*[]index.Value)
	if found == nil {
		found = new([]index.Value)
	}
	*found = t.Search((*found)[:0], query)
	for _, v := range *found {
		dst = append(dst, hit{name: v.Value, alias: query})
	}
	p.found.Put(found)
	return dst
}

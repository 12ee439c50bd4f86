package modprobe

import "github.com/gomodprobe/gomodprobe/alias"

// Module returns the module of that name, which is not looked for among the aliases of module files. If there is none,
// it returns the first builtin module that has the name as an alias, as kmod_module_new_from_name_lookup does; false if
// there is none either.
func (p *Prober) Module(name string) (Module, bool) {
	s := newSearch(p)
	n := s.node(alias.ModName(name), "")
	s.fill(n)
	if n.path != "" || n.builtin {
		return n.module(), true
	}
	nodes := s.values(p.builtinAlias(), n.name)
	if nodes == nil {
		return Module{}, false
	}
	n = nodes[0]
	s.fill(n)
	m := n.module()
	// modules.builtin does not list what can only be built in.
	m.Builtin = m.Builtin || m.Path == ""
	return m, true
}

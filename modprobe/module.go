package modprobe

import "github.com/gomodprobe/gomodprobe/alias"

// Module returns the module of that name, which is not looked for among the aliases of module files. If there is none,
// it returns the first builtin module that has the name as an alias, as kmod_module_new_from_name_lookup does; false if
// there is none either.
func (p *Prober) Module(name string) (Module, bool) {
	m := p.fill(hit{name: alias.ModName(name)})
	if m.Path != "" || m.Builtin {
		return m, true
	}
	hits := p.values(nil, p.builtinAlias(), m.Name)
	if len(hits) == 0 {
		return Module{}, false
	}
	m = p.fill(hits[0])
	// modules.builtin does not list what can only be built in.
	m.Builtin = m.Builtin || m.Path == ""
	return m, true
}

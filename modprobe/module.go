package modprobe

import "github.com/gomodprobe/gomodprobe/alias"

// Module returns the module of that name, which is not looked for among the aliases; false if the module tree has none
// and the kernel has none built in.
func (p *Prober) Module(name string) (Module, bool) {
	s := newSearch(p)
	n := s.node(alias.ModName(name), "")
	s.fill(n)
	return n.module(), n.path != "" || n.builtin
}

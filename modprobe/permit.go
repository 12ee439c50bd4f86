package modprobe

import (
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
)

// Permission is what the forbid and allow lines of modprobe.d(5) make of the load of one module, the modules it depends
// on and the softdeps of all of them. A nil *Permission permits everything.
type Permission struct {
	// Decisions holds what was decided, the module that was asked for first, the others sorted by name. A softdep that
	// needs what may not be loaded is left out with that as the Cause, and is not told as allowed.
	Decisions []Decision

	may map[string]bool
	err error
}

// Decision is what the forbid and allow lines make of one module of a load.
type Decision struct {
	// Module is the name of the module.
	Module string
	// Allowed reports whether it may be loaded.
	Allowed bool
	// InKernel reports that it is loaded or builtin, so that no line counts.
	InKernel bool
	// Soft reports that it, or one on the chain to it, is a softdep: the load goes on without it.
	Soft bool
	// Rule is the line that decides; nil if no line is about the module.
	Rule *Rule
	// Through is the module that an allow line allows, and on whose behalf this one may be loaded though Rule forbids
	// it. Empty if it may be loaded by itself.
	Through string
	// Chain leads from the module that was asked for to this one; both are in it.
	Chain []string
}

// Allows reports whether a module may be loaded as a part of this load.
func (d *Permission) Allows(module string) bool { return d == nil || d.may[module] }

// Err returns nil if the module that was asked for may be loaded, else an *Error that wraps ErrForbidden and names the
// line and the chain.
func (d *Permission) Err() error {
	if d == nil {
		return nil
	}
	return d.err
}

// Permit decides on the load of a module that [Prober.Resolve] has returned, or, if m has no more than a Path, of the
// file at that path. o may be nil. It returns nil if nothing is forbidden.
func (p *Prober) Permit(m Module, o *PlanOptions) *Permission {
	if o == nil {
		o = new(PlanOptions)
	}
	s := newSearch(p)
	if m.Name == "" {
		m.Name = alias.FromPath(m.Path)
	}
	n := s.node(m.Name, m.Alias)
	if m.Path != "" {
		n.path = m.Path
		listed, _, _ := p.files(m.Name)
		n.file = listed != m.Path
	}
	if m.Alias == "" && m.Path == "" {
		for _, found := range p.command(nil, m.Name) {
			n.install = found.install
		}
	}
	return s.permit(n, o)
}

// permit decides on the load of a node.
func (s *search) permit(n *node, o *PlanOptions) *Permission {
	if o.AllowForbidden || len(s.p.lines()) == 0 {
		return nil
	}
	j := judge{
		search: s, o: o, may: make(map[string]*part), out: make(map[string]*part), seen: make(map[visited]bool),
		known: make(map[*node]known),
	}
	top := &part{node: n}
	failed := j.obstacle(top)
	if failed == nil {
		j.visit(top, o.IgnoreCommands)
	}
	return j.result(top, failed)
}

// judge walks over what a load would load.
type judge struct {
	*search
	o     *PlanOptions
	may   map[string]*part // what may be loaded
	out   map[string]*part // why a softdep is left out, by its name: the part that may not be loaded
	seen  map[visited]bool
	known map[*node]known
}

// part is a module of a load with the way to it.
type part struct {
	*node
	from   *part // who needs it; nil for the module that was asked for
	soft   bool  // as a softdep
	lender *part // the module on the way that an allow line allows; nil if there is none
}

// visited is what need not be visited again: a module with its softdeps or, if needs is set, with what it needs, too. A
// visit on behalf of an allowed module comes further than one without.
type visited struct {
	module      string
	lent, needs bool
}

// known is what is known of a node.
type known struct {
	standing standing
	rule     *Rule
	inKernel bool
}

func (j *judge) know(n *node) known {
	k, ok := j.known[n]
	if !ok {
		k.standing, k.rule = j.p.nodeStanding(n)
		state := j.state(n)
		k.inKernel = state.inKernel() && !j.o.ShowAll ||
			state == builtin && n.path == "" && n.install == "" && command(j.p.base().Install, n.name) == ""
		j.known[n] = k
	}
	return k
}

// forbids reports whether a module may not be loaded as this part.
func (j *judge) forbids(m *part) bool {
	k := j.know(m.node)
	return !k.inKernel && (k.standing == barred || k.standing == forbidden && m.lender == nil)
}

// lend returns who lends to what a part needs: itself, if an allow line allows it.
func (j *judge) lend(m *part) *part {
	if j.know(m.node).standing == allowed {
		return m
	}
	return m.lender
}

// parts returns the modules that a part needs, the deepest first.
func (j *judge) parts(m *part) []*part {
	needs := j.needs(m.node)
	list := make([]*part, len(needs))
	lenders := make(map[*node]*part)
	for i := len(needs) - 1; i >= 0; i-- { // users before what they need
		d := &part{node: needs[i], from: m, lender: j.lend(m)}
		if d.lender == nil {
			d.lender = lenders[d.node]
		}
		if lender := j.lend(d); lender != nil && j.lend(m) == nil {
			for _, need := range j.needs(d.node) {
				if lenders[need] == nil {
					lenders[need] = lender
				}
			}
		}
		list[i] = d
	}
	return list
}

// obstacle returns what of a part itself and the modules that it needs may not be loaded; nil for nothing.
func (j *judge) obstacle(m *part) *part {
	if j.forbids(m) {
		return m
	}
	for _, d := range j.parts(m) {
		if j.forbids(d) {
			return d
		}
	}
	return nil
}

// visit records a part that may be loaded with what it needs, and goes on to their softdeps; alone leaves its own out.
func (j *judge) visit(m *part, alone bool) {
	if j.again(m, true) {
		return
	}
	j.record(m)
	needs := j.parts(m)
	for _, d := range needs {
		j.record(d)
		j.softdeps(d)
	}
	if !alone {
		j.softdeps(m)
	}
}

// record records a part that may be loaded. The way by which a forbidden one may be is told before others.
func (j *judge) record(m *part) {
	old := j.may[m.name]
	better := old != nil && old.from != nil && old.lender == nil && m.lender != nil
	if old == nil || better && j.know(m.node).standing == forbidden {
		j.may[m.name] = m
	}
}

// again reports whether a part has been visited, and records that it is.
func (j *judge) again(m *part, needs bool) bool {
	v := visited{m.name, j.lend(m) != nil, needs}
	if j.seen[v] || j.seen[visited{m.name, true, needs}] {
		return true
	}
	j.seen[v] = true
	return false
}

// softdeps visits those softdeps of a part that may be loaded.
func (j *judge) softdeps(m *part) {
	if j.again(m, false) {
		return
	}
	dep := j.p.softdep(m.name)
	for _, n := range j.softNodes(slices.Concat(dep.Pre, dep.Post)) {
		s := &part{node: n, from: m, soft: true, lender: j.lend(m)}
		switch failed := j.obstacle(s); {
		case failed == nil:
			j.visit(s, false)
		case j.out[n.name] == nil:
			j.out[n.name] = failed
		}
	}
}

// result is the outcome of the walk.
func (j *judge) result(top, failed *part) *Permission {
	d := &Permission{may: make(map[string]bool)}
	if failed != nil {
		rule := j.know(failed.node).rule
		d.err = &Error{
			Op: "insert", Module: failed.name, Requested: top.name, Path: failed.path, Err: ErrForbidden,
			Reason: rule.String(), Chain: j.chain(failed),
		}
		d.Decisions = append(d.Decisions, j.decision(top, false))
		if failed != top {
			d.Decisions = append(d.Decisions, j.decision(failed, false))
		}
		return d
	}
	for name, m := range j.may {
		d.may[name] = true
		d.Decisions = append(d.Decisions, j.decision(m, true))
	}
	told := make(map[string]bool)
	for name, m := range j.out {
		if d.may[name] || told[m.name] || d.may[m.name] && m.name != name {
			continue
		}
		told[m.name] = true
		d.Decisions = append(d.Decisions, j.decision(m, false))
	}
	slices.SortFunc(d.Decisions, func(a, b Decision) int {
		if (a.Module == top.name) != (b.Module == top.name) {
			if a.Module == top.name {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Module, b.Module)
	})
	return d
}

// decision describes a part.
func (j *judge) decision(m *part, may bool) Decision {
	k := j.know(m.node)
	d := Decision{Module: m.name, Allowed: may, InKernel: k.inKernel, Rule: k.rule, Chain: j.chain(m)}
	for p := m; p != nil; p = p.from {
		d.Soft = d.Soft || p.soft
	}
	if may && !k.inKernel && k.standing == forbidden {
		d.Through = m.lender.name
	}
	return d
}

// chain names the modules from the one that was asked for to a part. Of those that a module needs, the tables list
// all and not who of them needs whom: that is told from the lists of the others.
func (j *judge) chain(m *part) (names []string) {
	for ; m != nil; m = m.from {
		names = append(names, m.name)
		if m.from == nil || m.soft {
			continue
		}
		needs := j.needs(m.from.node)
		at := slices.Index(needs, m.node)
		for i := at + 1; i < len(needs); i++ { // who needs it comes after it
			if slices.Contains(j.needs(needs[i]), needs[at]) {
				names = append(names, needs[i].name)
				at = i
			}
		}
	}
	slices.Reverse(names)
	return names
}

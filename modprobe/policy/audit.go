package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Audit returns what the forbid and allow lines of p would have refused of what is loaded now, sorted by module: those
// that may not be loaded by themselves, nor for another loaded module that may. The errors wrap ErrForbidden.
func Audit(p *modprobe.Prober) (refused []*modprobe.Error, err error) {
	loaded, err := p.Loaded()
	if err != nil {
		return nil, fmt.Errorf("not known what is loaded: %w", err)
	}
	var permissions []*modprobe.Permission
	failed := make(map[string]*modprobe.Error)
	for _, m := range loaded {
		permission := p.Permit(modprobe.Module{Name: m.Name}, &modprobe.PlanOptions{ShowAll: true})
		var e *modprobe.Error
		if errors.As(permission.Err(), &e) {
			failed[m.Name] = e
			continue
		}
		permissions = append(permissions, permission)
	}
	for name, e := range failed {
		if !slices.ContainsFunc(permissions, func(d *modprobe.Permission) bool { return d.Allows(name) }) {
			refused = append(refused, e)
		}
	}
	slices.SortFunc(refused, func(a, b *modprobe.Error) int { return strings.Compare(a.Requested, b.Requested) })
	return refused, nil
}

// Through returns the modules that an allow line allows and for which a module may be loaded that may not by itself,
// sorted.
func Through(p *modprobe.Prober, module string) (list []string) {
	for _, other := range allowed(p) {
		d := p.Permit(modprobe.Module{Name: other}, &modprobe.PlanOptions{ShowAll: true})
		if d == nil || d.Err() != nil {
			continue
		}
		for _, x := range d.Decisions {
			if x.Module == module && x.Through == other {
				list = append(list, other)
			}
		}
	}
	return list
}

// allowed returns the modules that allow lines are about, sorted.
func allowed(p *modprobe.Prober) (list []string) {
	var patterns []string
	for _, rule := range p.Config().Allow {
		if rule.Wildcard() {
			patterns = append(patterns, rule.Pattern)
			continue
		}
		modules, _ := p.Resolve(rule.Pattern) // a line about what is not there is about nothing
		for _, m := range modules {
			list = append(list, m.Name)
		}
	}
	if len(patterns) > 0 {
		for file := range p.Files() {
			name := alias.FromPath(file)
			if slices.ContainsFunc(patterns, func(pattern string) bool { return alias.Match(pattern, name) }) {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

package policy

import (
	"errors"
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
		return nil, err
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
// sorted. It looks at every module of the tree.
func Through(p *modprobe.Prober, module string) (list []string) {
	for file := range p.Files() {
		other := alias.FromPath(file)
		if other == module {
			continue
		}
		d := p.Permit(modprobe.Module{Name: other}, &modprobe.PlanOptions{ShowAll: true})
		if d == nil || d.Err() != nil || !d.Allows(module) {
			continue
		}
		for _, x := range d.Decisions {
			if x.Module == module && x.Through == other {
				list = append(list, other)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

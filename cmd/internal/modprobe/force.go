package modprobe

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

const forceFlags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// mayForce asks for every module that a plan forces in. With --force-compatible those that need no force get none.
func (r *modprobeRun) mayForce(plan modprobe.Plan) bool {
	for i, s := range plan {
		if s.Op != modprobe.OpInsmod || s.Flags&forceFlags == 0 || s.Module.Path == "" || r.p.State(s.Module.Name).Loaded {
			continue
		}
		if r.forcer == nil {
			r.forcer = forcing.New(r.Logger, r.p, r.verbose < cli.LevelWarning)
			if r.compatible {
				r.forcer.OnlyCompatible()
			}
		}
		if r.compatible && !r.forcer.Needed(s.Module.Path) {
			plan[i].Flags &^= forceFlags
			continue
		}
		if r.forcer.Allow(s.Module.Path, s.Flags, s.Requested) {
			continue
		}
		if s.Required {
			return false
		}
		if r.compatible {
			plan[i].Flags &^= forceFlags // the kernel refuses it, and that is survived
		}
	}
	return true
}

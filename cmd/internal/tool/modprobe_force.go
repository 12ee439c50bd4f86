package tool

import "github.com/gomodprobe/gomodprobe/modprobe"

const forceFlags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// mayForce asks for every module that a plan forces in.
func (r *modprobeRun) mayForce(plan modprobe.Plan) bool {
	for _, s := range plan {
		if s.Op != modprobe.OpInsmod || s.Flags&forceFlags == 0 || s.Module.Path == "" || r.p.State(s.Module.Name).Loaded {
			continue
		}
		if r.forcer == nil {
			r.forcer = newForcer(r.logger, r.p, r.verbose < levelWarning)
		}
		if !r.forcer.allow(s.Module.Path, s.Flags, s.Requested) && s.Required {
			return false
		}
	}
	return true
}

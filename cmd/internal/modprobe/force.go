package modprobe

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

const forceFlags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// tellForced says of every module that a plan forces in what that means. It reports false if --force-compatible keeps
// one from being forced.
func (r *modprobeRun) tellForced(plan modprobe.Plan) bool {
	if r.load.Flags == 0 {
		return true
	}
	if r.forcer == nil {
		r.forcer = forcing.New(r.Logger, r.p)
	}
	if r.compatible && !r.forcer.Compatible(plan) {
		return false
	}
	r.forcer.Tell(plan)
	return true
}

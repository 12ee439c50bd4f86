package modprobe

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// forceFlags are what --force stands for.
const forceFlags = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// tellForced says what it means to force the modules of a plan. It reports false if --force-compatible refuses one.
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

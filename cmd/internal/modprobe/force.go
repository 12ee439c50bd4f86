package modprobe

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/forcing"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// tellForced says of every module that a plan forces in what that means.
func (r *modprobeRun) tellForced(plan modprobe.Plan) {
	if r.load.Flags == 0 {
		return
	}
	if r.forcer == nil {
		r.forcer = forcing.New(r.Logger, r.p)
	}
	r.forcer.Tell(plan)
}

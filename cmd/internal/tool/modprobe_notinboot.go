//go:build kmod_boot

package tool

import (
	"fmt"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// checkModules is not in this build.
func (r *modprobeRun) checkModules([]string) int {
	r.error(notInBoot, "--check")
	return 2
}

// saveChart is not in this build.
func (r *modprobeRun) saveChart(*modprobe.ColdplugReport) error {
	return fmt.Errorf(notInBoot, "--chart")
}

//go:build kmod_boot

package modprobe

import (
	"fmt"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// checkModules is not in this build.
func (r *modprobeRun) checkModules([]string) int {
	r.Errorf(cli.NotInBoot, "--check")
	return 2
}

// weakUpdate is not in this build.
func (r *modprobeRun) weakUpdate([]string) int {
	r.Errorf(cli.NotInBoot, "--weak-update")
	return 1
}

// saveChart is not in this build.
func (r *modprobeRun) saveChart(*coldplug.Report) error {
	return fmt.Errorf(cli.NotInBoot, "--chart")
}

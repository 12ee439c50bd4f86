//go:build kmod_boot

package modprobe

import (
	"fmt"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// checkModules is not in this build.
func (r *modprobeRun) checkModules([]string) int { return r.notInBoot("--check") }

// weakUpdate is not in this build.
func (r *modprobeRun) weakUpdate([]string) int {
	r.Errorf(cli.NotInBoot, "--weak-update")
	return 1
}

// saveChart is not in this build.
func (r *modprobeRun) saveChart(*coldplug.Report) error {
	return fmt.Errorf(cli.NotInBoot, "--chart")
}

// explainPolicy is not in this build.
func (r *modprobeRun) explainPolicy([]string) int { return r.notInBoot("--policy") }

// writeAllowlist is not in this build.
func (r *modprobeRun) writeAllowlist([]string) int { return r.notInBoot("--allowlist") }

// auditPolicy is not in this build.
func (r *modprobeRun) auditPolicy([]string) int { return r.notInBoot("--audit") }

func (r *modprobeRun) notInBoot(option string) int {
	r.Errorf(cli.NotInBoot, option)
	return 2
}

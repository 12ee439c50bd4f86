//go:build kmod_boot

package modinfo

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
)

// runModinfoFiles is not in this build.
func runModinfoFiles(_ *cli.Env, log *cli.Logger, _ *modinfoArgs) int {
	log.Errorf(cli.NotInBoot, "--diff or --dump-symvers")
	return 1
}

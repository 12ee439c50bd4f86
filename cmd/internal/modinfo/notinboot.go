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

// runTypes is not in this build.
func runTypes(_ *cli.Env, log *cli.Logger, _ *modinfoArgs) int {
	log.Errorf(cli.NotInBoot, "--type or --dump-btf")
	return 1
}

// diffKernels is not in this build.
func diffKernels(*cli.Env, *cli.Logger, *modinfoArgs) (int, bool) { return 0, false }

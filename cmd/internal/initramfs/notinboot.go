//go:build kmod_boot

package initramfs

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
)

// Main is not in this build.
func Main(env *cli.Env) int {
	cli.NewLogger(env, cli.LevelWarning).Errorf(cli.NotInBoot, "goinitramfs")
	return 1
}

//go:build kmod_boot

package depmod

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
)

// Main is not in this build.
func Main(env *cli.Env) int {
	cli.NewLogger(env, cli.LevelWarning).Errorf(cli.NotInBoot, "depmod")
	return 1
}

// Package tool picks a command by the name it is called by. Its tests drive whole commands.
//
// The options, the sentences and the exit statuses of the commands are those of kmod 34.2, which scripts rely on; they
// live in the packages beside this one and nowhere else. What a command does beyond kmod is in docs/differences.md.
package tool

import (
	"io"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/boot"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/depmod"
	"github.com/gomodprobe/gomodprobe/cmd/internal/initramfs"
	"github.com/gomodprobe/gomodprobe/cmd/internal/modinfo"
	"github.com/gomodprobe/gomodprobe/cmd/internal/modprobe"
	"github.com/gomodprobe/gomodprobe/cmd/internal/small"
)

// Main runs the tool whose name is the base name of argv[0], a leading "go" dropped: gomodprobe is modprobe,
// godepmod is depmod. The small build is called gomodprobe-boot where both are.
func Main(env *cli.Env) int {
	switch name := cli.Program(env); strings.TrimPrefix(name, "go") {
	case "modprobe", "modprobe-boot":
		return modprobe.Main(env)
	case "depmod":
		return depmod.Main(env)
	case "modinfo":
		return modinfo.Main(env)
	case "insmod":
		return small.Insmod(env)
	case "rmmod":
		return small.Rmmod(env)
	case "lsmod":
		return small.Lsmod(env)
	case "kmod":
		return small.Kmod(env)
	case "initramfs":
		return initramfs.Main(env)
	case "init":
		return boot.Main(env)
	default:
		io.WriteString(env.Stderr, name+
			": no tool of this name; link me as modprobe, depmod, modinfo, insmod, "+
			"rmmod, lsmod, kmod or goinitramfs\n")
		return 1
	}
}

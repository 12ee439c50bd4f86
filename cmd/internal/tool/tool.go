// Package tool is the command line of modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod and goinitramfs: one
// function each, from an [Env] to an exit status.
//
// The options, the sentences and the exit statuses are those of kmod 34.2, which scripts rely on; they live here and
// nowhere else. What a tool does beyond kmod is in docs/differences.md.
package tool

import (
	"io"
	"strings"
)

// Main runs the tool whose name is the base name of argv[0], a leading "go" dropped: gomodprobe is modprobe,
// godepmod is depmod. The small build is called gomodprobe-boot where both are.
func Main(env *Env) int {
	switch name := program(env); strings.TrimPrefix(name, "go") {
	case "modprobe", "modprobe-boot":
		return Modprobe(env)
	case "depmod":
		return Depmod(env)
	case "modinfo":
		return Modinfo(env)
	case "insmod":
		return Insmod(env)
	case "rmmod":
		return Rmmod(env)
	case "lsmod":
		return Lsmod(env)
	case "kmod":
		return Kmod(env)
	case "initramfs":
		return Initramfs(env)
	case "init":
		return Init(env)
	default:
		io.WriteString(env.Stderr, name+": no tool of this name; link me as modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod or goinitramfs\n")
		return 1
	}
}

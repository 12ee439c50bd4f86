// Command gomodprobe is every tool in one binary: modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod and
// goinitramfs, picked by the name it is started as.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
)

func main() { os.Exit(tool.Main(tool.System())) }

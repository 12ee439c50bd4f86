// Command gomodprobe is every tool in one binary: modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod and
// goinitramfs, picked by the name it is started as.
//
// The runtime need not follow changes of how many processors there are, nor name its memory: no tool runs for that
// long.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
)

func main() { os.Exit(tool.Main(cli.System())) }

// Command goinitramfs is the tool goinitramfs alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/initramfs"
)

func main() { os.Exit(initramfs.Main(cli.System())) }

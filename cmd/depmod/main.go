// Command depmod is the tool depmod alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/depmod"
)

func main() { os.Exit(depmod.Main(cli.System())) }

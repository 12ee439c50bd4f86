// Command modinfo is the tool modinfo alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/modinfo"
)

func main() { os.Exit(modinfo.Main(cli.System())) }

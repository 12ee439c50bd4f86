// Command modprobe is the tool modprobe alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/modprobe"
)

func main() { os.Exit(modprobe.Main(cli.System())) }

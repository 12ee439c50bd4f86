// Command lsmod is the tool lsmod alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/small"
)

func main() { os.Exit(small.Lsmod(cli.System())) }

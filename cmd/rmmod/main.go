// Command rmmod is the tool rmmod alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/small"
)

func main() { os.Exit(small.Rmmod(cli.System())) }

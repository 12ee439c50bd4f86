// Command modinfo is the tool modinfo alone; see cmd/gomodprobe for all tools in one.
package main

import (
	"os"

	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
)

func main() { os.Exit(tool.Modinfo(tool.System())) }

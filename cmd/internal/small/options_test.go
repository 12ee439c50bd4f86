package small

import (
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli/clitest"
)

// TestHelp: --help names every option.
func TestHelp(t *testing.T) {
	clitest.Help(t, Insmod, "insmod", insmodOptions())
	clitest.Help(t, Rmmod, "rmmod", simpleOptions(true))
	clitest.Help(t, Lsmod, "lsmod", lsmodOptions())
	clitest.Help(t, Kmod, "kmod", kmodOptions)
}

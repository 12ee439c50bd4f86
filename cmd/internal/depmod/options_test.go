//go:build !kmod_boot

package depmod

import (
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli/clitest"
)

// TestHelp: --help names every option.
func TestHelp(t *testing.T) {
	clitest.Help(t, Main, "depmod", depmodOptions)
}

//go:build !kmod_boot

package initramfs

import (
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli/clitest"
)

// TestHelp: --help names every option.
func TestHelp(t *testing.T) {
	clitest.Help(t, Main, "goinitramfs", slices.Concat(buildOptions, bootOptions, updateOptions))
}

package modprobe_test

import (
	"testing"

	"github.com/u-root/u-root/pkg/kmodule"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestFlags: the flags are those of u-root's pkg/kmodule, so that a program which moves from there may keep its own.
func TestFlags(t *testing.T) {
	if modprobe.IgnoreModversions != kmodule.MODULE_INIT_IGNORE_MODVERSIONS || modprobe.IgnoreVermagic != kmodule.MODULE_INIT_IGNORE_VERMAGIC {
		t.Errorf("IgnoreModversions = %d, IgnoreVermagic = %d, in pkg/kmodule %d and %d", modprobe.IgnoreModversions, modprobe.IgnoreVermagic,
			kmodule.MODULE_INIT_IGNORE_MODVERSIONS, kmodule.MODULE_INIT_IGNORE_VERMAGIC)
	}
}

//go:build kmod_boot

package tool

import "github.com/gomodprobe/gomodprobe/modprobe"

// A forcer knows nothing in this build: the kernel will say.
type forcer struct{}

// newForcer returns a forcer that knows nothing.
func newForcer(*logger, *modprobe.Prober, bool) *forcer { return nil }

// allow forces whatever it is asked to.
func (*forcer) allow(string, int, bool) bool { return true }

// because knows nothing in this build.
func because(*logger, *modprobe.Prober, string, int, error) {}

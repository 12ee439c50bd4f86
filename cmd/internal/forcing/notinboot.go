//go:build kmod_boot

package forcing

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A Forcer knows nothing in this build: the kernel will say.
type Forcer struct{}

// New returns a forcer that knows nothing.
func New(*cli.Logger, *modprobe.Prober, bool) *Forcer { return nil }

// ForFile is New for insmod.
func ForFile(*cli.Logger, *modprobe.Prober, string) *Forcer { return new(Forcer) }

// Allow forces whatever it is asked to.
func (*Forcer) Allow(string, int, bool) bool { return true }

// Because knows nothing in this build.
func Because(*cli.Logger, *modprobe.Prober, string, int, error) {}

//go:build kmod_boot

package forcing

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A Forcer knows nothing in this build: the kernel will say.
type Forcer struct{}

// New returns a forcer that knows nothing.
func New(*cli.Logger, *modprobe.Prober) *Forcer { return nil }

// Tell knows nothing in this build.
func (*Forcer) Tell(modprobe.Plan) {}

// Because knows nothing in this build.
func Because(*cli.Logger, *modprobe.Prober, *Forcer, string, int, error) {}

//go:build kmod_boot

package forcing

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A Forcer says nothing in this build.
type Forcer struct{ log *cli.Logger }

// New returns a Forcer.
func New(l *cli.Logger, _ *modprobe.Prober) *Forcer { return &Forcer{l} }

// Compatible is --force-compatible, which is not in this build.
func (f *Forcer) Compatible(modprobe.Plan) bool {
	f.log.Errorf(cli.NotInBoot, "--force-compatible")
	return false
}

// Tell says nothing in this build.
func (*Forcer) Tell(modprobe.Plan) {}

// Explain says nothing in this build.
func Explain(*cli.Logger, *modprobe.Prober, *Forcer, string, int, error) {}

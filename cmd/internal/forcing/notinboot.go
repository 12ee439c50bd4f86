//go:build kmod_boot

package forcing

import (
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A Forcer knows nothing in this build: the kernel will say.
type Forcer struct {
	log     *cli.Logger
	careful bool
}

// New returns a forcer that knows nothing.
func New(log *cli.Logger, _ *modprobe.Prober, _ bool) *Forcer { return &Forcer{log: log} }

// OnlyCompatible keeps the forcer from allowing anything, as it knows nothing.
func (f *Forcer) OnlyCompatible() { f.careful = true }

// Needed knows no module that has not to be forced.
func (*Forcer) Needed(string) bool { return true }

// Allow forces whatever it is asked to, unless it has to know more.
func (f *Forcer) Allow(string, int, bool) bool {
	if f.careful {
		f.log.Errorf(cli.NotInBoot, "--force-compatible")
	}
	return !f.careful
}

// Because knows nothing in this build.
func Because(*cli.Logger, *modprobe.Prober, string, int, error) {}

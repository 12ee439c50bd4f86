//go:build kmod_boot

package tool

import (
	"fmt"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// A build with the tag kmod_boot is for boot images, where every byte is read and unpacked before anything else happens:
// it has modprobe, modinfo, insmod, rmmod, lsmod and kmod, and leaves out what is done on a running system: the tables are
// made, images too, and the questions about other kernels have been asked.

const notInBoot = "%s is not in this build, which was made small for boot images; use a full gomodprobe"

// Initramfs is not in this build.
func Initramfs(env *Env) int {
	newLogger(env, levelWarning).error(notInBoot, "goinitramfs")
	return 1
}

// Depmod is not in this build.
func Depmod(env *Env) int {
	newLogger(env, levelWarning).error(notInBoot, "depmod")
	return 1
}

// checkModules is not in this build.
func (r *modprobeRun) checkModules([]string) int {
	r.error(notInBoot, "--check")
	return 2
}

// runModinfoFiles is not in this build.
func runModinfoFiles(_ *Env, log *logger, _ *modinfoArgs) int {
	log.error(notInBoot, "--diff or --dump-symvers")
	return 1
}

// saveChart is not in this build.
func (r *modprobeRun) saveChart(*coldplug.Report) error {
	return fmt.Errorf(notInBoot, "--chart")
}

// A forcer knows nothing in this build: the kernel will say.
type forcer struct {
	*logger
	p *modprobe.Prober
}

// allow forces whatever it is asked to.
func (*forcer) allow(string, int, bool) bool { return true }

// mayForce forces whatever it is asked to.
func (*modprobeRun) mayForce(modprobe.Plan) bool { return true }

// because knows nothing in this build.
func (*logger) because(*modprobe.Prober, string, int, error) {}

//go:build kmod_boot

package tool

// runModinfoFiles is not in this build.
func runModinfoFiles(_ *Env, log *logger, _ *modinfoArgs) int {
	log.error(notInBoot, "--diff or --dump-symvers")
	return 1
}

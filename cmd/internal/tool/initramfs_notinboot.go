//go:build kmod_boot

package tool

// Initramfs is not in this build.
func Initramfs(env *Env) int {
	newLogger(env, levelWarning).error(notInBoot, "goinitramfs")
	return 1
}

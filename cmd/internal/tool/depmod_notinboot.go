//go:build kmod_boot

package tool

// Depmod is not in this build.
func Depmod(env *Env) int {
	newLogger(env, levelWarning).error(notInBoot, "depmod")
	return 1
}

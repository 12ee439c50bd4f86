package tool

// Initramfs runs the tool initramfs.
func Initramfs(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

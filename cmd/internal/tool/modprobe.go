package tool

// Modprobe runs the tool modprobe.
func Modprobe(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

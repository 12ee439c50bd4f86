package tool

// Lsmod runs the tool lsmod.
func Lsmod(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

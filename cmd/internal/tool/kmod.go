package tool

// Kmod runs the tool kmod.
func Kmod(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

package tool

// Depmod runs the tool depmod.
func Depmod(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

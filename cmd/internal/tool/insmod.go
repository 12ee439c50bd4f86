package tool

// Insmod runs the tool insmod.
func Insmod(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

package tool

// Rmmod runs the tool rmmod.
func Rmmod(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

package tool

// Modinfo runs the tool modinfo.
func Modinfo(env *Env) int {
	newLogger(env, levelWarning).error("not built in yet")
	return 1
}

package kernel

// UnwrapWithin is Unwrap with other limits. It returns what is left of work.
func UnwrapWithin(image []byte, size, work int64) (kernel []byte, left int64, err error) {
	u := unwrapper{size, work}
	kernel, _, err = u.all(image)
	return kernel, u.work, err
}

// RawExports searches an image without sections, with that many steps. It returns what is left of them.
func RawExports(image []byte, steps int) (symbols []Symbol, left int, err error) {
	symbols, err = rawExports(image, 0, &steps)
	return symbols, steps, err
}

// MaxTries is the bound of what is looked at that begins like something else.
const MaxTries = maxTries

package kernel

import (
	"slices"
	"strings"
)

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

// WordsOf reads the loader's sentences out of a kernel's constants.
func WordsOf(constants string) Words {
	w, _ := ReadWords([]byte(constants))
	return w
}

// TodaysWords are the constants of a kernel with the loader's sentences of today, but for those that contain one of these words.
func TodaysWords(but ...string) string {
	text := "\x00"
	for _, w := range wording {
		if !slices.ContainsFunc(but, func(b string) bool { return strings.Contains(w.format, b) }) {
			text += "\x013" + w.format + "\n\x00"
		}
	}
	return text
}

package kernel

import "strconv"

// TaintLetters turns the number in /proc/sys/kernel/tainted into the kernel's letters.
func TaintLetters(number string) string {
	mask, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return ""
	}
	var letters []byte
	for i, c := range []byte("PFSRMBUDAWCIOELKXTNJ") {
		if mask>>i&1 == 1 {
			letters = append(letters, c)
		}
	}
	return string(letters)
}

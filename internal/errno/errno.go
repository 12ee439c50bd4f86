// Package errno names the errnos of the Linux kernel, so that code that compares with them builds on every system:
// package syscall has all of the names on Linux only.
package errno

import "strings"

// Text returns glibc's text for an error of the system. Go's texts for an errno are glibc's with a lower-case first
// letter.
func Text(err error) string {
	text := err.Error()
	if number, ok := strings.CutPrefix(text, "errno "); ok {
		if number == "133" { // EHWPOISON, which is not in Go's table
			return "Memory page has hardware error"
		}
		return "Unknown error " + number
	}
	if text != "" && 'a' <= text[0] && text[0] <= 'z' {
		text = string(text[0]-'a'+'A') + text[1:]
	}
	return text
}

//go:build !linux

package tool

import "io"

// isTerminal reports whether what is written to w is shown to somebody. Here that is not known.
func isTerminal(io.Writer) bool { return false }

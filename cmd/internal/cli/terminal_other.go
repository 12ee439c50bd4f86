//go:build !linux

package cli

import "io"

// IsTerminal reports whether w is a terminal. This system cannot tell: it returns false.
func IsTerminal(io.Writer) bool { return false }

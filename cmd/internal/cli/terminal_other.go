//go:build !linux

package cli

import "io"

// IsTerminal reports whether what is written to w is shown to somebody. Here that is not known.
func IsTerminal(io.Writer) bool { return false }

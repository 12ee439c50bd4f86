//go:build !linux

package cli

import "errors"

// syslog has no one to talk to here.
func syslog([]byte) error { return errors.ErrUnsupported }

// stderrClosed cannot be told here.
func stderrClosed() bool { return false }

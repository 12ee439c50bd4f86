//go:build !linux

package cli

import "errors"

// syslog fails: there is no /dev/log on this system.
func syslog([]byte) error { return errors.ErrUnsupported }

// stderrClosed returns false: this system cannot tell.
func stderrClosed() bool { return false }

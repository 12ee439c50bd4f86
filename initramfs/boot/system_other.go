//go:build !linux

package boot

import "errors"

// Machine returns the machine that this process is the first program of, where there is a Linux kernel.
func Machine([]string) (System, error) { return nil, errors.ErrUnsupported }

//go:build !linux

package coldplug

import "errors"

// ListenUevents listens to what the kernel tells about devices, where there is a Linux kernel.
func ListenUevents() (Uevents, error) { return nil, errors.ErrUnsupported }

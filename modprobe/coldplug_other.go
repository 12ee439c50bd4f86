//go:build !linux

package modprobe

import "errors"

// ListenUevents listens to what the kernel tells about devices, where there is a Linux kernel.
func ListenUevents() (Uevents, error) { return nil, errors.ErrUnsupported }

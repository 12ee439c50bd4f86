//go:build !linux

package kernelabi

import "syscall"

// What a Linux kernel that enforces signatures answers, since 5.4 and before.
const (
	eKeyRejected = syscall.Errno(129)
	eNoKey       = syscall.Errno(126)
)

//go:build !linux

package forcing

import "syscall"

// eKeyRejected is what a Linux kernel answers that wants signed modules.
const eKeyRejected = syscall.Errno(129)

//go:build !linux

package kernelabi

import "syscall"

// eKeyRejected is what a Linux kernel with sig_enforce answers.
const eKeyRejected = syscall.Errno(129)

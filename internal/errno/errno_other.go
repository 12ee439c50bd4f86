//go:build !linux

package errno

import "syscall"

// linuxOnly is an error to compare with. It is not a number, because numbers mean other errors on other systems.
type linuxOnly string

// Error returns the text that Linux has for the error.
func (e linuxOnly) Error() string { return string(e) }

// The errors of a Linux kernel that code compares with. No error of this system equals one.
const (
	EAGAIN      linuxOnly = "resource temporarily unavailable"
	EBADMSG     linuxOnly = "bad message"
	EFBIG       linuxOnly = "file too large"
	EKEYEXPIRED linuxOnly = "key has expired"
	ENODEV      linuxOnly = "no such device"
	ENOEXEC     linuxOnly = "exec format error"
	ENOMEM      linuxOnly = "cannot allocate memory"
	ENOSYS      linuxOnly = "function not implemented"
	ENXIO       linuxOnly = "no such device or address"
	EOPNOTSUPP  linuxOnly = "operation not supported"
	ETIMEDOUT   linuxOnly = "connection timed out"
	ETXTBSY     linuxOnly = "text file busy"
)

// The errors that a verdict on a module may hold, on every system, as a number.
const (
	EKEYREJECTED = syscall.Errno(129)
	ENOKEY       = syscall.Errno(126)
)

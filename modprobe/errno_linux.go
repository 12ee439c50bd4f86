package modprobe

import "syscall"

// The errors a kernel answers with that not every system of the Go world has names for.
const (
	eAgain       = syscall.EAGAIN
	eBadMsg      = syscall.EBADMSG
	eFBig        = syscall.EFBIG
	eKeyExpired  = syscall.EKEYEXPIRED
	eKeyRejected = syscall.EKEYREJECTED
	eNoDev       = syscall.ENODEV
	eNoExec      = syscall.ENOEXEC
	eNoKey       = syscall.ENOKEY
	eNoMem       = syscall.ENOMEM
	eNoSys       = syscall.ENOSYS
	eTextBusy    = syscall.ETXTBSY
)

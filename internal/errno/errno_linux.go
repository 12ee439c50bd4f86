package errno

import "syscall"

// The errors of a Linux kernel.
const (
	EAGAIN       = syscall.EAGAIN
	EBADMSG      = syscall.EBADMSG
	EFBIG        = syscall.EFBIG
	EKEYEXPIRED  = syscall.EKEYEXPIRED
	EKEYREJECTED = syscall.EKEYREJECTED
	ENODEV       = syscall.ENODEV
	ENOEXEC      = syscall.ENOEXEC
	ENOKEY       = syscall.ENOKEY
	ENOMEM       = syscall.ENOMEM
	ENOSYS       = syscall.ENOSYS
	ENXIO        = syscall.ENXIO
	EOPNOTSUPP   = syscall.EOPNOTSUPP
	ETIMEDOUT    = syscall.ETIMEDOUT
	ETXTBSY      = syscall.ETXTBSY
)

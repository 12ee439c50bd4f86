package kernelabi

import "syscall"

// What a kernel that enforces signatures answers, since 5.4 and before; other systems have no names for it.
const (
	eKeyRejected = syscall.EKEYREJECTED
	eNoKey       = syscall.ENOKEY
)

package kernelabi

import "syscall"

// eKeyRejected is what a kernel with sig_enforce answers; other systems have no name for it.
const eKeyRejected = syscall.EKEYREJECTED

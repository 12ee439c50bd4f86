package forcing

import "syscall"

// eKeyRejected is what a kernel answers that wants signed modules; other systems have no name for it.
const eKeyRejected = syscall.EKEYREJECTED

package compress

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// prefault has the kernel back a large buffer with memory while it is being filled, on another processor if there is one, and in
// large pages where it has them: for an image of a kernel that is a fifth of the time. Contents do not change. Kernels before
// 5.14 do not do it ahead.
func prefault(b []byte) {
	const page = 2 << 20 // a large one; elsewhere than on x86 just a step
	if len(b) < 8*page {
		return
	}
	b = b[-uintptr(unsafe.Pointer(unsafe.SliceData(b)))%page:]
	b = b[:len(b)/page*page]
	unix.Madvise(b, unix.MADV_HUGEPAGE)
	go func() {
		for ; len(b) > 0 && unix.Madvise(b[:page], unix.MADV_POPULATE_WRITE) == nil; b = b[page:] {
		}
	}()
}

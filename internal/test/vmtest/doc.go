// Package vmtest runs Go tests inside virtual machines with real kernels, so that they can load modules.
//
// A test calls Run with the key of a kernel; Run packs the tests of the calling package and some modules
// into an archive, boots it in qemu, and reports every guest test as a subtest of the host's test. One
// boot serves all guest tests of a package:
//
//	func TestGuest(t *testing.T) {
//		vmtest.Run(t, "6.1", vmtest.Options{Modules: []string{"ext4"}})
//	}
//
//	func TestGuestLoad(t *testing.T) {
//		vmtest.InGuest(t) // skips on the host
//		...
//	}
//
// Without qemu, or without the kernel and no way to fetch it, tests skip; with CI=true they fail.
package vmtest

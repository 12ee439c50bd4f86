package cli

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Descriptors that are open whatever is done: three of the caller's, four of the Go runtime, a lock and two to spare;
// and those that a goroutine which reads a file of a folder may need.
const (
	alwaysOpen    = 10
	openPerWorker = 3
)

// spareDescriptors lowers GOMAXPROCS, by which all packages measure how many files they read at once, to what the limit
// of descriptors allows.
func spareDescriptors() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	procs := uint64(runtime.GOMAXPROCS(0))
	if most := max((max(limit.Cur, alwaysOpen)-alwaysOpen)/openPerWorker, 1); most < procs {
		runtime.GOMAXPROCS(int(most))
	}
}

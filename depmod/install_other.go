//go:build !linux

package depmod

import "os"

// lockFile does nothing: depmod is for Linux, and builds elsewhere for the sake of those who make images there.
func lockFile(*os.File) {}

// syncUnsupported reports whether an error of Sync says that folders are not synced. Some systems do not let them be opened
// for that.
func syncUnsupported(error) bool { return true }

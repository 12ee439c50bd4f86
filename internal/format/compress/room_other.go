//go:build !linux

package compress

// mapRoom returns no room: a buffer grows instead.
func mapRoom(int64) []byte { return nil }

// unmapRoom gives back what mapRoom returned.
func unmapRoom([]byte) {}

func emptyRoom(_, _ []byte) {}

func moveOut(image, _ []byte) []byte { return image }

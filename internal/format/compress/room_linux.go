package compress

import "golang.org/x/sys/unix"

// mapRoom returns room for n bytes, of which only those are in memory that something is written to; nil if there is
// none, and then a buffer grows. The garbage collector does not know it, and so lets no garbage pile up because of
// it.
func mapRoom(n int64) []byte {
	room, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return room
}

// unmapRoom gives back what mapRoom returned.
func unmapRoom(room []byte) {
	if room != nil {
		unix.Munmap(room)
	}
}

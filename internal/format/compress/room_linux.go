package compress

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

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

// emptyRoom gives the memory back that image has of a room. The room stays.
func emptyRoom(image, room []byte) {
	if len(image) > 0 && len(room) > 0 && &image[0] == &room[0] {
		unix.Madvise(image, unix.MADV_DONTNEED)
	}
}

// moveOut returns image in memory of its own. The room that it is in gives its memory back at the same time, so that
// there are never two of it; what was dropped before goes first.
func moveOut(image, room []byte) []byte {
	if len(image) == 0 || len(room) == 0 || &image[0] != &room[0] {
		return image
	}
	if len(image) > maxIdle {
		runtime.GC()
	}
	const piece = 4 << 20 // pages are smaller
	moved := make([]byte, 0, len(image))
	for part := range slices.Chunk(image, piece) {
		moved = append(moved, part...)
		unix.Madvise(part, unix.MADV_DONTNEED)
	}
	return moved
}

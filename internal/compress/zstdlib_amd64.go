//go:build !kmod_nozstd && !kmod_boot

package compress

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// libraryZstds holds the method DecodeAll of idle decoders of the library: a decoder there would keep all its methods in the program.
var libraryZstds sync.Pool

// zstdLibrary expands src to size bytes by the library, whose assembly takes two thirds of the time of our decoder; for other
// processors it has none and takes longer. It is false if src is damaged, or is something else than one frame of that size.
func zstdLibrary(dst, src []byte, size int) ([]byte, bool) {
	decode, _ := libraryZstds.Get().(func(src, dst []byte) ([]byte, error))
	if decode == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, false
		}
		decode = z.DecodeAll
	}
	defer libraryZstds.Put(decode)
	dst = grow(dst, size+64) // it wants some room behind the data to copy in steps
	prefault(dst[:cap(dst)])
	out, err := decode(src, dst)
	return out, err == nil && len(out) == size
}

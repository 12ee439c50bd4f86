package compress_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// TestFirstLZMA expands what xz makes, with the size in the header and without, whatever the hint and whatever follows.
func TestFirstLZMA(t *testing.T) {
	text := bytes.Repeat([]byte("modules that nobody has loaded; "), 9000)
	for _, data := range [][]byte{nil, []byte("x"), text[:70], text, make([]byte, 1<<18)} {
		for _, preset := range []string{"-0c", "-6c", "-9c"} {
			ended := packed(t, data, "xz", "--format=lzma", preset)
			sized := bytes.Clone(ended)
			binary.LittleEndian.PutUint64(sized[5:], uint64(len(data)))
			for _, hint := range []int{0, len(data) - 1, len(data), 3 * len(data)} {
				for _, in := range [][]byte{ended, sized, append(bytes.Clone(ended), text[:500]...)} {
					got, _, err := compress.FirstLZMA(in, hint, int64(len(data)))
					if err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s, hint %d: %d bytes, %v; want %d", preset, hint, len(got), err, len(data))
					}
				}
			}
			for _, in := range [][]byte{ended, sized} {
				if _, _, err := compress.FirstLZMA(in, 0, int64(len(data)-1)); len(data) > 0 && !errors.Is(err, compress.ErrTooLarge) {
					t.Errorf("%d bytes, limit one less: %v", len(data), err)
				}
			}
			for n := range len(ended) - 5 {
				if preset != "-0c" { // each of the others takes a dictionary of 64 MiB
					break
				}
				if got, _, err := compress.FirstLZMA(ended[:n], 0, 1<<20); err == nil {
					t.Fatalf("cut to %d of %d bytes: %d bytes, no error", n, len(ended), len(got))
				}
			}
		}
	}
}

// FuzzFirstLZMA: how much room there is at first changes nothing, and the limit holds.
func FuzzFirstLZMA(f *testing.F) {
	fuzzseed.Add(f, packed(f, bytes.Repeat([]byte("some text, some text"), 5000), "xz", "--format=lzma", "-c"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 18
		got, _, err := compress.FirstLZMA(in, 0, limit)
		other, _, err2 := compress.FirstLZMA(in, limit, limit)
		if !bytes.Equal(got, other) || (err == nil) != (err2 == nil) || len(got) > limit {
			t.Fatalf("%d bytes, %v; with much room %d, %v", len(got), err, len(other), err2)
		}
	})
}

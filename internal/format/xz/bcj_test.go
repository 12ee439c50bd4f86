package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestFilters packs what is full of calls with xz(1) and each filter, and expands it.
func TestFilters(t *testing.T) {
	kmodtest.Programs(t, "xz")
	r := rand.New(rand.NewPCG(5, 6))
	// Words of four bytes that begin, or end, like the instructions that filters change; the rest is of few bits.
	starts := []uint32{0x48000001, 0x40000000, 0x7fc00000, 0x94000000, 0x90000000, 0xb0000000, 0xeb000000, 0xf800f000, 0x000000e8, 0x0000e900, 0xff0000e8}
	for _, filters := range [][]string{{"--x86"}, {"--arm"}, {"--armthumb"}, {"--arm64"}, {"--powerpc"}, {"--sparc"}, {"--delta=dist=1"}, {"--delta=dist=256"},
		{"--delta=dist=4", "--x86"}, {"--x86", "--delta=dist=3", "--arm"}} {
		for round := range 8 {
			data := make([]byte, r.IntN(1<<16))
			for i := range data {
				data[i] = "\x00\xff\xe8\xe9\xeb\x01\xfe\x7f\x80"[r.IntN(9)]
			}
			for i := 0; round%2 == 1 && i+4 <= len(data); i += 4 {
				w := starts[r.IntN(len(starts))] | r.Uint32()>>r.IntN(32)&^0xfc000000
				if round%4 == 1 {
					binary.BigEndian.PutUint32(data[i:], w)
				} else {
					binary.LittleEndian.PutUint32(data[i:], w)
				}
			}
			cmd := exec.Command("xz", append(append([]string{"-c"}, filters...), "--lzma2=preset=1")...)
			cmd.Stdin = bytes.NewReader(data)
			file, err := cmd.Output()
			if err != nil {
				t.Skipf("%q: %v", filters, err) // an old xz
			}
			if got, _, err := Expand(nil, file, 1<<20, false); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q: %d bytes, %v; want %d", filters, len(got), err, len(data))
			}
			// The same as the first of what goes on with something else.
			if got, _, err := Expand(nil, append(file, "noise"...), 1<<20, true); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q, first: %d bytes, %v; want %d", filters, len(got), err, len(data))
			}
		}
	}
	cmd := exec.Command("xz", "-c", "--ia64", "--lzma2=preset=1")
	cmd.Stdin = bytes.NewReader(make([]byte, 1000))
	if file, err := cmd.Output(); err == nil {
		if _, _, err := Expand(nil, file, 1<<20, false); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a filter that is not known: %v", err)
		}
	}
}

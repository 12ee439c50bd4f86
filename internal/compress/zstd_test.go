//go:build !kmod_nogzip && !kmod_noxz && !kmod_nozstd

package compress_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gomodprobe/gomodprobe/internal/compress"
)

// TestExpandFrames: our own decoder gives what the library's encoder had, at all levels and for small and large windows; a frame that
// is cut anywhere is an error.
func TestExpandFrames(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 200_000)
	rand.New(rand.NewSource(1)).Read(noise)
	for kind, data := range map[string][]byte{
		"program": program[:min(len(program), 1<<20)], "short": program[4096:4296], "zeros": make([]byte, 300_000), "noise": noise,
		"both": bytes.Join([][]byte{noise[:1000], make([]byte, 100_000), noise[:50_000], program[:1000]}, nil),
		"text": bytes.Repeat([]byte("abcdefg"), 10_000),
	} {
		for level := zstd.SpeedFastest; level <= zstd.SpeedBestCompression; level++ {
			for _, window := range []int{1 << 10, 64 << 10, 8 << 20} {
				z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
				if err != nil {
					t.Fatal(err)
				}
				packed := z.EncodeAll(data, nil)
				got, err := compress.ExpandFrames(nil, packed, compress.DefaultLimit)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s, %v, window %d: %d bytes come back as %d, error %v", kind, level, window, len(data), len(got), err)
				}
				if _, err := compress.ExpandFrames(nil, packed, int64(len(data)-1)); err == nil {
					t.Errorf("%s, %v, window %d: no error beyond the limit", kind, level, window)
				}
				if kind != "short" {
					continue
				}
				for n := range packed {
					if got, err := compress.ExpandFrames(nil, packed[:n], compress.DefaultLimit); err == nil {
						t.Errorf("%v: %d bytes of %d become %d", level, n, len(packed), len(got))
					}
				}
			}
		}
	}
}

// TestZstdStream: a frame much longer than its window is expanded while it is read, in memory for the window.
func TestZstdStream(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []int{1 << 10, 64 << 10, 1 << 20} {
		var packed bytes.Buffer
		z, err := zstd.NewWriter(&packed, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = z.Write(data); err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		packed.WriteString("behind")
		r := bufio.NewReader(&packed)
		s, err := compress.Stream(r, compress.Zstd)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("window %d: %d bytes come back as %d, error %v", window, len(data), len(got), err)
		}
		if rest, err := io.ReadAll(r); err != nil || string(rest) != "behind" {
			t.Errorf("window %d: %q follows, error %v", window, rest, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

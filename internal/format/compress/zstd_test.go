package compress_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
)

// TestExpandZstd: a frame with its size in the header and one without give what the encoder had, at all levels and
// for small and large windows; a frame that is cut anywhere is an error.
func TestExpandZstd(t *testing.T) {
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
				var unsized bytes.Buffer
				z.Reset(&unsized)
				if _, err = z.Write(data); err == nil {
					err = z.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, packed := range [][]byte{z.EncodeAll(data, nil), unsized.Bytes()} {
					testZstd(t, fmt.Sprintf("%s, %v, window %d", kind, level, window), packed, data)
				}
			}
		}
	}
}

func testZstd(t *testing.T, name string, packed, data []byte) {
	t.Helper()
	got, err := compress.Expand(nil, packed, 0)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d bytes come back as %d, error %v", name, len(data), len(got), err)
	}
	if _, err := compress.Expand(nil, packed, int64(len(data)-1)); !errors.Is(err, compress.ErrTooLarge) {
		t.Errorf("%s: error %v beyond the limit", name, err)
	}
	if len(data) > 1000 {
		return
	}
	for n := 6; n < len(packed); n++ {
		if got, err := compress.Expand(nil, packed[:n], 0); err == nil {
			t.Errorf("%s: %d bytes of %d become %d", name, n, len(packed), len(got))
		}
	}
}

// TestZstdWindow: a frame whose window is larger than 128 MiB is refused, and one that says it has so much in it
// costs nothing.
func TestZstdWindow(t *testing.T) {
	const magic = "\x28\xb5\x2f\xfd"
	for name, head := range map[string]string{
		"window":         "\x00\x98",                                 // 2^29
		"one segment":    "\xa0\x00\x00\x00\x10",                     // 2^28
		"size and limit": "\xe0\x00\x00\x00\x00\x00\x01\x00\x00\x00", // 2^40
	} {
		file := []byte(magic + head + "\x01\x00\x00")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if got, err := compress.Expand(nil, file, 0); err == nil {
			t.Errorf("%s: Expand gives %d bytes", name, len(got))
		}
		s, err := compress.Stream(bufio.NewReader(bytes.NewReader(file)), compress.Zstd)
		if err == nil {
			_, err = s.Read(make([]byte, 1))
			s.Close()
		}
		var bad *compress.Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: Stream: error %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
			t.Errorf("%s: it takes %d bytes of memory", name, n)
		}
	}
}

// TestZstdLeft: a stream that is left in its middle keeps nothing that others need, and no goroutine.
func TestZstdLeft(t *testing.T) {
	file := samples(t)[compress.Zstd]
	before := runtime.NumGoroutine()
	for range 10 {
		s, err := compress.Stream(bufio.NewReader(bytes.NewReader(file)), compress.Zstd)
		if err == nil {
			_, err = s.Read(make([]byte, 100))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, limit := range []int64{100, 0} {
			if got, err := compress.Expand(nil, file, limit); limit == 0 && (err != nil || !bytes.Equal(got, text)) {
				t.Fatalf("%d bytes, error %v", len(got), err)
			}
		}
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
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

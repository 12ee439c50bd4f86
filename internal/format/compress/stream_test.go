package compress_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// packed compresses data with the program of that name.
func packed(t testing.TB, data []byte, argv ...string) []byte {
	t.Helper()
	kmodtest.Programs(t, argv[0])
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestStream: one stream is expanded, and what follows is left alone, whatever it is and wherever reads end.
func TestStream(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	random := make([]byte, 70000)
	for i := range random {
		random[i] = "YZ\x00\x00abc"[r.IntN(7)]
	}
	noise := make([]byte, 30000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("YZ"), 5000), random, noise, make([]byte, 200000)} {
		for _, tool := range [][]string{
			{"gzip", "-c"}, {"xz", "-c"}, {"xz", "-0c", "--block-size=1000"}, {"xz", "-c", "--check=crc32"},
			{"zstd", "-qc"}, {"zstd", "-qc", "--no-check"}, {"zstd", "-qc", "-1"},
		} {
			in := packed(t, data, tool...)
			f := compress.Detect(in)
			for _, size := range []int{16, 4096} {
				all := bufio.NewReaderSize(bytes.NewReader(append(bytes.Clone(in), "\x00\x00\x00\x00rest YZ"...)), size)
				z, err := compress.Stream(all, f)
				if err != nil {
					t.Fatalf("%q: %v", tool, err)
				}
				got, err := io.ReadAll(z)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%q, buffer %d: %d bytes, want %d; %v", tool, size, len(got), len(data), err)
				}
				z.Close()
				if rest, _ := io.ReadAll(all); string(rest) != "\x00\x00\x00\x00rest YZ" {
					t.Fatalf("%q, buffer %d: %d bytes of %d: rest %.40q", tool, size, len(in), len(data), rest)
				}
			}
		}
	}
}

// TestStreamCut: a stream that ends early is an *Error, at any length.
func TestStreamCut(t *testing.T) {
	for _, tool := range []string{"gzip", "xz", "zstd"} {
		in := packed(t, bytes.Repeat([]byte("text that repeats "), 100), tool, "-c")
		f := compress.Detect(in)
		for n := 6; n < len(in); n++ {
			z, err := compress.Stream(bufio.NewReader(bytes.NewReader(in[:n])), f)
			if err == nil {
				_, err = io.ReadAll(z)
				z.Close()
			}
			var e *compress.Error
			if !errors.As(err, &e) || e.Format != f {
				t.Errorf("%s cut to %d of %d bytes: %v", tool, n, len(in), err)
			}
		}
	}
}

// FuzzStream: whatever the bytes, Stream gives what Expand gives if the file is that one stream.
func FuzzStream(f *testing.F) {
	for _, tool := range []string{"gzip", "xz", "zstd"} {
		fuzzseed.Add(f, packed(f, []byte("some text, some text"), tool, "-c"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 20
		format := compress.Detect(in)
		if format == compress.None {
			return
		}
		r := bufio.NewReader(bytes.NewReader(in))
		z, err := compress.Stream(r, format)
		if err != nil {
			return
		}
		defer z.Close()
		got, err := io.ReadAll(io.LimitReader(z, limit+1))
		if err != nil || len(got) > limit {
			return
		}
		rest, _ := io.ReadAll(r)
		want, err := compress.Expand(nil, in[:len(in)-len(rest)], 0)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Stream gives %d bytes of the first %d; Expand gives %d, %v", len(got), len(in)-len(rest), len(want), err)
		}
	})
}

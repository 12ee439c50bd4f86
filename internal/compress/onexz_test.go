//go:build !kmod_noxz

package compress_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/compress"
)

// TestXzStream: a stream that is much longer than its dictionary is expanded while it is read, in memory for the dictionary;
// with filters, checks and blocks of all kinds.
func TestXzStream(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	data := make([]byte, 0, 6<<20)
	for len(data) < 6<<20 {
		if n := r.IntN(3000) + 1; r.IntN(2) == 0 || len(data) < 60_000 {
			for range n {
				data = append(data, byte(r.Uint32()>>(r.IntN(8))))
			}
		} else {
			from := len(data) - n - r.IntN(60_000-n)
			data = append(data, data[from:from+n]...)
		}
	}
	for _, args := range [][]string{
		{"--lzma2=preset=0,dict=64KiB"}, {"--lzma2=preset=0,dict=64KiB", "--check=sha256", "--block-size=1000001"}, {"-0", "--check=none"},
		{"--x86", "--lzma2=preset=0,dict=1MiB", "--check=crc32"}, {"--delta=dist=3", "--lzma2=preset=0"},
	} {
		in := packed(t, data, append([]string{"xz", "-T1", "-c"}, args...)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		z, err := compress.Stream(bufio.NewReader(bytes.NewReader(in)), compress.Xz)
		if err != nil {
			t.Fatal(err)
		}
		rest := data
		buf := make([]byte, 10_000)
		for {
			n, err := z.Read(buf)
			if !bytes.HasPrefix(rest, buf[:n]) {
				t.Fatalf("%q: other bytes after %d", args, len(data)-len(rest))
			}
			rest = rest[n:]
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%q: %v", args, err)
			}
		}
		if len(rest) > 0 {
			t.Errorf("%q: %d bytes are missing", args, len(rest))
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; strings.Contains(args[0], "dict=64KiB") && n > 5<<20 {
			t.Errorf("%q: it takes %d bytes of memory", args, n)
		}
		z.Close()
		if _, err := z.Read(buf); err == nil {
			t.Errorf("%q: a closed stream can be read", args)
		}
	}
}

package compress_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
)

// TestXzStream: a stream that is much longer than its dictionary is expanded while it is read, in memory for the
// dictionary; with checks and blocks of all kinds.
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

// xzOf returns a stream whose blocks are empty and claim a dictionary.
func xzOf(blocks int, filters ...byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	out := append([]byte("\xfd7zXZ\x00"), sum([]byte{0, 0})...)
	block := []byte{2, byte((len(filters) - 1) / 3)} // how many filters more
	block = append(block, filters...)
	for len(block)%4 != 0 {
		block = append(block, 0)
	}
	block[0] = byte(len(block) / 4)
	block = append(sum(block), 0, 0, 0, 0) // no chunks, and padding
	for range blocks {
		out = append(out, block...)
	}
	return out
}

// TestXzStreamHeaders: what a stream may not claim is refused before memory is allocated for it, in whichever block
// it is; a filter that is lacking is unsupported.
func TestXzStreamHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"largest dictionary":     {xzOf(1, 0x21, 1, 40), nil},
		"192 MiB":                {xzOf(1, 0x21, 1, 31), nil},
		"a filter":               {xzOf(1, 4, 0, 0x21, 1, 20), errors.ErrUnsupported},
		"another block":          {append(xzOf(1, 0x21, 1, 0), xzOf(1, 0x21, 1, 40)[12:]...), nil},
		"many large":             {xzOf(1000, 0x21, 1, 30), nil},
		"cut behind the header":  {xzOf(0, 0x21, 1, 0), nil},
		"cut behind the block":   {xzOf(1, 0x21, 1, 0), nil},
		"cut within the header":  {xzOf(0, 0x21, 1, 0)[:9], nil},
		"cut in the next header": {append(xzOf(1, 0x21, 1, 0), 2), nil},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		z, err := compress.Stream(bufio.NewReader(bytes.NewReader(c.in)), compress.Xz)
		if err == nil {
			_, err = io.ReadAll(z)
		}
		runtime.ReadMemStats(&after)
		var bad *compress.Error
		if !errors.As(err, &bad) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 && name != "many large" || n > 5<<30 {
			t.Errorf("%s: it takes %d bytes of memory", name, n)
		}
	}
}

package compress_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// writers are the encoders.
var writers = map[string]func(io.Writer) (io.WriteCloser, error){
	"xz": compress.NewXzWriter, "zstd": compress.NewZstdWriter,
}

// pack compresses data, handed over in pieces.
func pack(t testing.TB, format string, data []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := writers[format](&out)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; {
		n, err := w.Write(rest[:min(piece, len(rest))])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// writerInputs are data of many kinds: none, what repeats, what cannot be compressed, both by turns, and more than the
// window holds.
func writerInputs(t testing.TB) map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := bytes.Repeat([]byte("alias pci:v00008086d00001533sv*sd*bc*sc*i* igb\n"), 9000)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	program = program[:min(len(program), 2<<20)]
	long := bytes.Join([][]byte{program, noise, bytes.Repeat([]byte{0}, 5<<20), text, program, bytes.Repeat(noise, 5), program}, nil)
	return map[string][]byte{
		"nothing": nil, "a byte": {7}, "four": []byte("abcd"), "noise": noise, "text": text, "program": program,
		"zeros": make([]byte, 3<<20), "noise first": append(bytes.Clone(noise), text...), "long": long,
	}
}

func TestWriters(t *testing.T) {
	for name, data := range writerInputs(t) {
		for format := range writers {
			testWriter(t, format, name, data)
		}
	}
}

func testWriter(t *testing.T, format, name string, data []byte) {
	packed := pack(t, format, data, 100_000)
	if got, err := compress.Expand(nil, packed, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s, %s: %d bytes come back as %d, error %v", format, name, len(data), len(got), err)
	}
	if len(packed) > len(data)+len(data)/10000+100 {
		t.Errorf("%s, %s: %d bytes become %d", format, name, len(data), len(packed))
	}
	if !bytes.Equal(pack(t, format, data, 777), packed) {
		t.Errorf("%s, %s: in other pieces it comes to something else", format, name)
	}
	kmodtest.Programs(t, format)
	cmd := exec.Command(format, "-dc")
	cmd.Stdin = bytes.NewReader(packed)
	if out, err := cmd.Output(); err != nil || !bytes.Equal(out, data) {
		t.Errorf("%s, %s: the program gives %d of %d bytes back, error %v", format, name, len(out), len(data), err)
	}
}

// TestWriterProcessors: how many processors there are shows nowhere.
func TestWriterProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	inputs := writerInputs(t)
	for format := range writers {
		var want []byte
		for _, n := range []int{1, 16} {
			runtime.GOMAXPROCS(n)
			got := pack(t, format, inputs["long"], 1<<20)
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %d processors make other bytes than one", format, n)
			}
		}
	}
}

// TestZstdChecksum: every bit of the checksum counts, for lengths around those that it works in.
func TestZstdChecksum(t *testing.T) {
	for n := range 100 {
		data := bytes.Repeat([]byte{byte(n), 1, 0xfe}, n)[:2*n]
		packed := pack(t, "zstd", data, 7)
		if packed[4]&4 == 0 {
			t.Fatalf("%d bytes: no checksum", len(data))
		}
		if _, err := compress.Expand(nil, packed, 0); err != nil {
			t.Errorf("%d bytes: %v", len(data), err)
		}
		packed[len(packed)-1-n%4] ^= 1 << (n % 8)
		if _, err := compress.Expand(nil, packed, 0); err == nil {
			t.Errorf("%d bytes: a wrong checksum is not seen", len(data))
		}
	}
}

// failing takes some bytes and then fails.
type failing int

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > int(*f) {
		return 0, os.ErrClosed
	}
	*f -= failing(len(p))
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	data := writerInputs(t)["program"]
	for format, open := range writers {
		for _, room := range []failing{0, 15, 70_000} {
			w, err := open(&room)
			if err == nil {
				_, err = w.Write(data)
				if cerr := w.Close(); err == nil {
					err = cerr
				}
			}
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: error %v, want %v", format, err, os.ErrClosed)
			}
		}
	}
}

func FuzzWriters(f *testing.F) {
	fuzzseed.Add(f, []byte("abcabcabcabcabcdabcd"), uint8(3))
	fuzzseed.Add(f, bytes.Repeat([]byte{1, 2, 3, 0, 0, 0, 0, 9}, 400), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		// What it is made of comes again, so that there are matches over more than the input.
		data = bytes.Repeat(data, 1+int(piece%5))
		for format := range writers {
			packed := pack(t, format, data, int(piece)+1)
			if got, err := compress.Expand(nil, packed, 0); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes come back as %d, error %v", format, len(data), len(got), err)
			}
		}
	})
}

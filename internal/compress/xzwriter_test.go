//go:build !kmod_noxz

package compress_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/compress"
)

// packXz compresses data, handed over in pieces.
func packXz(t testing.TB, data []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := compress.NewXzWriter(&out)
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

func TestXzWriter(t *testing.T) {
	for name, data := range writerInputs(t) {
		packed := packXz(t, data, 100_000)
		if got, err := compress.Expand(nil, packed, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes come back as %d, error %v", name, len(data), len(got), err)
		}
		if len(packed) > len(data)+len(data)/10000+100 {
			t.Errorf("%s: %d bytes become %d", name, len(data), len(packed))
		}
		if !bytes.Equal(packXz(t, data, 777), packed) {
			t.Errorf("%s: in other pieces it comes to something else", name)
		}
		if _, err := exec.LookPath("xz"); err != nil {
			t.Log(err)
			continue
		}
		cmd := exec.Command("xz", "-dc", "--format=xz")
		cmd.Stdin = bytes.NewReader(packed)
		if out, err := cmd.Output(); err != nil || !bytes.Equal(out, data) {
			t.Errorf("%s: xz gives %d of %d bytes back, error %v", name, len(out), len(data), err)
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

func TestXzWriterErrors(t *testing.T) {
	data := writerInputs(t)["program"]
	for _, room := range []failing{0, 10, 70_000} {
		w := compress.NewXzWriter(&room)
		_, err := w.Write(data)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		if err != os.ErrClosed {
			t.Errorf("error %v, want %v", err, os.ErrClosed)
		}
	}
}

func FuzzXzWriter(f *testing.F) {
	f.Add([]byte("abcabcabcabcabcdabcd"), uint8(3))
	f.Add(bytes.Repeat([]byte{1, 2, 3, 0, 0, 0, 0, 9}, 400), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		// What it is made of comes again, so that there are matches over more than the input.
		data = bytes.Repeat(data, 1+int(piece%5))
		packed := packXz(t, data, int(piece)+1)
		if got, err := compress.Expand(nil, packed, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d, error %v", len(data), len(got), err)
		}
	})
}

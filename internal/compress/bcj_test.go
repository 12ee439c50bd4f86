//go:build !kmod_noxz

package compress

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// TestFilters packs what is full of calls with xz(1) and each filter, and expands it without the library's help.
func TestFilters(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for _, filter := range []string{"--x86", "--arm"} {
		for round := range 20 {
			data := make([]byte, r.IntN(1<<16))
			for i := range data {
				data[i] = "\x00\xff\xe8\xe9\xeb\x01\xfe\x7f\x80"[r.IntN(9)]
				if round%2 == 0 && r.IntN(3) == 0 {
					data[i] = byte(r.Uint32())
				}
			}
			cmd := exec.Command("xz", "-c", filter, "--lzma2=preset=1")
			cmd.Stdin = bytes.NewReader(data)
			file, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			x := xzFile{lzma: new(lzma), src: file, limit: 1 << 20}
			if got, err := x.expand(nil); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: %d bytes, %v; want %d", filter, len(got), err, len(data))
			}
			// The same as the first of what goes on with something else.
			if got, err := First(append(file, "noise"...), 0, 1<<20); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s, first: %d bytes, %v; want %d", filter, len(got), err, len(data))
			}
		}
	}
}

// TestFirst expands one stream of each format and leaves the rest; the limit holds whatever the hint.
func TestFirst(t *testing.T) {
	data := bytes.Repeat([]byte("text that repeats "), 5000)
	for _, tool := range []string{"gzip", "xz", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
		cmd := exec.Command(tool, "-c")
		cmd.Stdin = bytes.NewReader(data)
		file, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, hint := range []int{0, 1, len(data), 2 * len(data)} {
			if got, err := First(append(file, "\x01\x02\x03\x04"...), hint, 1<<20); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, hint %d: %d bytes, %v; want %d", tool, hint, len(got), err, len(data))
			}
			if _, err := First(file, hint, int64(len(data)-1)); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, hint %d: %v; want ErrTooLarge", tool, hint, err)
			}
		}
		if _, err := First(file[:len(file)/2], 0, 1<<20); err == nil {
			t.Errorf("%s: half of it is accepted", tool)
		}
	}
	if _, err := First(data, 0, 1<<20); err == nil {
		t.Error("text is accepted")
	}
}

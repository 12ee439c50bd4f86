package compress_test

import (
	"bytes"
	"errors"
	"os/exec"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestFirst expands one stream of each format and leaves the rest; the limit holds whatever the hint.
func TestFirst(t *testing.T) {
	data := bytes.Repeat([]byte("text that repeats "), 5000)
	for _, tool := range []string{"gzip", "xz", "zstd"} {
		kmodtest.Programs(t, tool)
		cmd := exec.Command(tool, "-c")
		cmd.Stdin = bytes.NewReader(data)
		file, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, hint := range []int{0, 1, len(data), 2 * len(data)} {
			if got, _, err := compress.First(append(file, "\x01\x02\x03\x04"...), hint, 1<<20); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, hint %d: %d bytes, %v; want %d", tool, hint, len(got), err, len(data))
			}
			if _, _, err := compress.First(file, hint, int64(len(data)-1)); !errors.Is(err, compress.ErrTooLarge) {
				t.Errorf("%s, hint %d: %v; want ErrTooLarge", tool, hint, err)
			}
		}
		if _, _, err := compress.First(file[:len(file)/2], 0, 1<<20); err == nil {
			t.Errorf("%s: half of it is accepted", tool)
		}
	}
	if _, _, err := compress.First(data, 0, 1<<20); err == nil {
		t.Error("text is accepted")
	}
}

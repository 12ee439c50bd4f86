package tool_test

import (
	"bytes"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/initramfs"
)

// TestCatStdin: an image from the standard input is shown like another, several files in the order that they are
// asked for.
func TestCatStdin(t *testing.T) {
	var image, stdout, stderr bytes.Buffer
	entries := []initramfs.Entry{initramfs.Content("a", 0o644, []byte("first ")), initramfs.Content("b", 0o644, []byte("second "))}
	for range 2 {
		if err := initramfs.Write(&image, entries, nil); err != nil {
			t.Fatal(err)
		}
		entries[0] = initramfs.Content("a", 0o644, []byte("last "))
	}
	status := tool.Main(&cli.Env{
		Args:  []string{"goinitramfs", "cat", "-", "b", "/a", "./b"},
		Stdin: &image, Stdout: &stdout, Stderr: &stderr,
	})
	if got, want := stdout.String(), "second last second "; status != 0 || got != want {
		t.Errorf("status %d, %q, want %q; %s", status, got, want, &stderr)
	}
}

package kmodtest

import (
	"errors"
	"os/exec"
	"testing"
)

// Compressed returns data in all formats module files come in, by the extension of the file's name: "gz", "xz" and
// "zst". It skips the test on a machine without the programs xz and zstd.
func Compressed(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, ext := range []string{"gz", "xz", "zst"} {
		file, err := compress(ext, data)
		if errors.Is(err, exec.ErrNotFound) {
			Missing(t, "cannot compress: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[ext] = file
	}
	return files
}

//go:build linux

package tool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestOutput: goinitramfs build -o puts the image where a link leads, keeps the permissions of the file that was
// there, and writes into what is no file: "-o /dev/null" must not make /dev/null a file.
func TestOutput(t *testing.T) {
	const release = "6.1.0"
	root := kmodtest.Tree(t, release, kmodtest.Module{Name: "small", Path: "kernel/small.ko"})
	dir := t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(root, "lib/modules", release, "modules.dep"): "kernel/small.ko:\n",
		filepath.Join(dir, "real"):                                 "old",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func(name string) {
		t.Helper()
		var stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args:      []string{"goinitramfs", "build", "--kernel=" + release, "--program=none", "--no-init", "--compress=none", "-o", name, "--add=small"},
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        os.DirFS(root), Stderr: &stderr,
			Cwd: func() (string, error) { return dir, nil },
		})
		if status != 0 {
			t.Fatalf("-o %s: status %d, %s", name, status, stderr.String())
		}
	}
	build("plain")
	want, err := os.ReadFile(filepath.Join(dir, "plain"))
	if err != nil || len(want) == 0 {
		t.Fatalf("%d bytes, %v", len(want), err)
	}

	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	build("link")
	if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "real" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "real"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes where the link leads to, want %d, %v", len(got), len(want), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "real")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info, err)
	}

	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		data, _ := os.ReadFile(pipe)
		read <- data
	}()
	build("pipe")
	if got := <-read; !bytes.Equal(got, want) {
		t.Errorf("%d bytes through a pipe, want %d", len(got), len(want))
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is now %v, %v", info, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 4 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
}

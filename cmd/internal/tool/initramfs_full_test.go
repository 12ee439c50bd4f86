//go:build linux

package tool_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestInitramfsFull builds an image onto a file system of its own that gets full: the old image stays, and nothing half
// written.
func TestInitramfsFull(t *testing.T) {
	const release = "6.1.0"
	root := kmodtest.Tree(t, release,
		kmodtest.Module{Name: "small", Path: "kernel/small.ko"},
		kmodtest.Module{Name: "large", Path: "kernel/large.ko", Raw: bytes.Repeat([]byte("large"), 30_000)},
	)
	name := filepath.Join(root, "lib/modules", release, "modules.dep")
	if err := os.WriteFile(name, []byte("kernel/small.ko:\nkernel/large.ko:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := `mount -t tmpfs -o size=64k tmpfs "$0" && exec "$1" -test.run=^TestInitramfsFullInside$ -test.v`
	cmd := exec.Command("unshare", "-rm", "sh", "-c", script, dir, os.Args[0])
	cmd.Env = append(os.Environ(), "INITRAMFS_TEST_FULL="+dir, "INITRAMFS_TEST_ROOT="+root)
	out, err := cmd.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("--- FAIL")) {
		t.Skipf("no mount namespace here: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%s", out)
	}
}

func TestInitramfsFullInside(t *testing.T) {
	dir, root := os.Getenv("INITRAMFS_TEST_FULL"), os.Getenv("INITRAMFS_TEST_ROOT")
	if dir == "" {
		t.Skip("run by TestInitramfsFull")
	}
	build := func(module string) (int, string) {
		var stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args:      []string{"goinitramfs", "build", "--kernel=6.1.0", "--program=none", "--no-init", "-o", dir + "/image", "--add=" + module},
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        os.DirFS(root), Stderr: &stderr,
			Cwd: func() (string, error) { return "/", nil },
		})
		return status, stderr.String()
	}
	if status, stderr := build("small"); status != 0 {
		t.Fatalf("status %d, %s", status, stderr)
	}
	before, err := os.ReadFile(dir + "/image")
	if err != nil {
		t.Fatal(err)
	}
	status, stderr := build("large")
	if want := "no space left on device"; status != 1 || !strings.Contains(strings.ToLower(stderr), want) {
		t.Errorf("status %d, %q; want 1 and %q", status, stderr, want)
	}
	after, err := os.ReadFile(dir + "/image")
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old image has %d bytes, had %d; %v", len(after), len(before), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("what is left: %v, %v", list, err)
	}
}

package kmodtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

var build struct {
	sync.Once
	binary []byte
	err    error
}

// Build compiles the binary with every tool as make build does, once per test process, and returns the path of a copy
// for this test.
func Build(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		name := filepath.Join(t.TempDir(), "gomodprobe")
		if build.err = BuildTo(name, ""); build.err == nil {
			build.binary, build.err = os.ReadFile(name)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	name := filepath.Join(t.TempDir(), "gomodprobe")
	if err := writeProgram(name, build.binary); err != nil {
		t.Fatal(err)
	}
	return name
}

// BuildTo compiles the binary as make build does, with these build tags: kmod_boot is the one for boot images.
func BuildTo(name, tags string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags="+tags, "-o", name,
		"github.com/gomodprobe/gomodprobe/cmd/gomodprobe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// writeProgram writes a file that is about to be executed. Nothing may be forked meanwhile: the child would hold the
// file open for writing until it executes something, and exec fails for such files.
func writeProgram(name string, data []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(name, data, 0o755)
}

package repotest_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// The sizes in bytes that the stripped binaries may have: with everything, and as for boot images. They guard against
// accidents; docs/benchmarks.md reports what the binaries have.
const (
	maxBinary = 8_400_000
	maxBoot   = 4_800_000
)

func TestBinary(t *testing.T) {
	checkBinary(t, kmodtest.Build(t), maxBinary)
}

func TestBootBinary(t *testing.T) {
	name := filepath.Join(t.TempDir(), "gomodprobe-boot")
	if err := kmodtest.BuildTo(name, "kmod_boot"); err != nil {
		t.Fatal(err)
	}
	checkBinary(t, name, maxBoot)
}

// checkBinary fails if the binary is larger than max or not static.
func checkBinary(t *testing.T, name string, max int64) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > max {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), max)
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Skipf("not ELF here: %v", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
}

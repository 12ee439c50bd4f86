package repotest_test

import (
	"debug/elf"
	"os"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// maxBinary is the size in bytes that the stripped binary may have.
const maxBinary = 3_500_000

func TestBinary(t *testing.T) {
	name := kmodtest.Build(t)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), maxBinary)
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

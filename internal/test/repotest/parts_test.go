package repotest_test

import (
	"cmp"
	"debug/elf"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParts prints what the binary's bytes are for: sections, and code and data of packages, if they are 5,000 at
// least. It is there to be looked at; TAGS=kmod_boot has it look at the binary for boot images.
func TestParts(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("prints sizes: run it with -v")
	}
	name := filepath.Join(t.TempDir(), "gomodprobe")
	cmd := exec.Command("go", "build", "-trimpath", "-tags="+os.Getenv("TAGS"), "-o", name,
		"github.com/gomodprobe/gomodprobe/cmd/gomodprobe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NOBITS && s.Size >= 5000 {
			t.Logf("%9d section %s", s.Size, s.Name)
		}
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	sizes := make(map[string]uint64)
	for _, s := range symbols {
		if s.Section < elf.SHN_LORESERVE && f.Sections[s.Section].Type != elf.SHT_NOBITS {
			sizes[packageOf(s.Name)] += s.Size
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) }) {
		if sizes[p] >= 5000 {
			t.Logf("%9d code and data of %s", sizes[p], p)
		}
	}
}

// packageOf returns the package of a symbol.
func packageOf(symbol string) string {
	symbol = strings.TrimPrefix(symbol, "go:itab.*")
	symbol, _, _ = strings.Cut(symbol, "[")
	at := strings.LastIndexByte(symbol, '/') + 1
	if dot := strings.IndexByte(symbol[at:], '.'); dot > 0 {
		return symbol[:at+dot]
	}
	return symbol
}

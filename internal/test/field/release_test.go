//go:build linux

package field_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machines are the ELF machines of the released architectures.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "armv7": elf.EM_ARM, "armv6": elf.EM_ARM, "386": elf.EM_386,
	"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "mips64le": elf.EM_MIPS, "loong64": elf.EM_LOONGARCH,
}

// TestRelease makes all archives and the container image from a clone, checks that every program is static and for its
// architecture, and makes some of them once more in another folder, with empty caches: the bytes are the same.
func TestRelease(t *testing.T) {
	field(t, "git")
	var sums [2]map[string]string
	for i, arch := range []string{"", "amd64,s390x"} {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", i*3), "clone")
		if out, err := exec.Command("git", "clone", "-q", "--no-hardlinks", "../../..", dir).CombinedOutput(); err != nil {
			t.Fatalf("git clone: %v\n%s", err, out)
		}
		cmd := exec.CommandContext(t.Context(), "go", "run", "./internal/release", "-o", "dist", "-arch", arch, "archives", "oci")
		cmd.Dir = dir
		if i == 1 {
			cmd.Env = append(os.Environ(), "GOCACHE="+t.TempDir())
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("release: %v\n%s", err, out)
		}
		check := exec.Command("sha256sum", "--quiet", "-c", "SHA256SUMS")
		check.Dir = filepath.Join(dir, "dist")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v\n%s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, "dist/SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = map[string]string{}
		for line := range strings.Lines(string(text)) {
			sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			sums[i][name] = sum
		}
		if i > 0 {
			continue
		}
		for name, machine := range machines {
			list, err := filepath.Glob(filepath.Join(dir, "dist/*_linux_"+name+".tar.gz"))
			if err != nil || len(list) != 1 {
				t.Fatalf("%s: archives %q, %v", name, list, err)
			}
			checkPrograms(t, list[0], machine)
		}
	}
	for name, sum := range sums[1] {
		if d := cmp.Diff(sums[0][name], sum); d != "" {
			t.Errorf("%s has other bytes when made in another folder with empty caches (-first +second):\n%s", name, d)
		}
	}
	if len(sums[0]) != 2*len(machines) || len(sums[1]) != 4 {
		t.Errorf("%d and %d files in SHA256SUMS", len(sums[0]), len(sums[1]))
	}
	proved(t, "make release: static programs for %d architectures; those of amd64 and s390x are the same bytes when made elsewhere with empty caches", len(machines))
}

// checkPrograms looks at the programs in an archive.
func checkPrograms(t *testing.T, archive string, machine elf.Machine) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if base := path.Base(h.Name); base != "gomodprobe" && base != "gomodprobe-boot" || h.Typeflag != tar.TypeReg {
			continue
		}
		found++
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		program, err := elf.NewFile(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if program.Machine != machine {
			t.Errorf("%s is for %v, want %v", h.Name, program.Machine, machine)
		}
		for _, p := range program.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static: it has %v", h.Name, p.Type)
			}
		}
	}
	if found != 2 {
		t.Errorf("%s has %d programs, want 2", archive, found)
	}
}

package tool_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// TestModinfoDamaged changes bytes of real modules, and cuts them, and compares
// with what kmod makes of them. Where kmod aborts there must be an error.
func TestModinfoDamaged(t *testing.T) {
	steps := map[string]int{"6.1": 200, "6.12": 400}
	if os.Getenv("GOMODPROBE_LONG") != "" {
		steps = map[string]int{"6.1": 1, "6.12": 10}
	}
	for key, step := range steps {
		root, release := kmodtest.Corpus(t, key)
		name := filepath.Join(t.TempDir(), "damaged.ko")
		for _, file := range every(step, moduleFiles(t, filepath.Join(root, "lib/modules", release))) {
			image, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h := fnv.New64a()
			h.Write([]byte(filepath.Base(file)))
			r := rand.New(rand.NewPCG(h.Sum64(), 1))
			for range 3 {
				damaged, how := damage(r, image)
				if err := os.WriteFile(name, damaged, 0o666); err != nil {
					t.Fatal(err)
				}
				compareDamaged(t, name, filepath.Base(file)+" "+how)
			}
		}
	}
}

// damage returns a copy of a module that is cut, or has some bytes changed where
// it matters: in the headers, the section headers, .modinfo or the signature.
func damage(r *rand.Rand, image []byte) (damaged []byte, how string) {
	b := bytes.Clone(image)
	if r.IntN(4) == 0 {
		n := r.IntN(len(b))
		return b[:n], fmt.Sprintf("cut to %d bytes", n)
	}
	ranges := [][2]int{{0, 64}, {0, len(b)}, {max(0, len(b)-1000), len(b)}}
	if len(b) > 64 && string(b[:4]) == "\x7fELF" {
		shoff := int(b[40]) | int(b[41])<<8 | int(b[42])<<16 | int(b[43])<<24
		ranges = append(ranges, [2]int{shoff, min(shoff+64*60, len(b))})
	}
	if i := bytes.Index(b, []byte("license=")); i >= 0 {
		ranges = append(ranges, [2]int{max(0, i-100), min(i+600, len(b))})
	}
	in := ranges[r.IntN(len(ranges))]
	how = "with"
	for range 1 + r.IntN(4) {
		at, v := in[0]+r.IntN(in[1]-in[0]), [...]byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(6)]
		b[at] = v
		how += fmt.Sprintf(" %#x at %d", v, at)
	}
	return b, how
}

// compareDamaged compares the two tools on a damaged file.
func compareDamaged(t *testing.T, name, how string) {
	t.Helper()
	for _, args := range [][]string{{"modinfo", name}, {"modprobe", "--show-exports", name}, {"modprobe", "--show-modversions", name}} {
		compareResults(t, strings.Join(args[:len(args)-1], " ")+" on "+how, ours(t, args...), kmods(t, args...))
	}
}

func compareResults(t *testing.T, how string, got, want result) {
	t.Helper()
	if want.status < 0 || want.status > 1 { // killed
		if got.status != 1 {
			t.Errorf("%s: kmod aborts; ours has status %d and shows %d bytes", how, got.status, len(got.stdout))
		}
		return
	}
	if got.status != want.status || got.stdout != want.stdout {
		t.Errorf("%s: status %d; want %d: %s\n%s%s", how, got.status, want.status, firstDifference(got.stdout, want.stdout), got.stderr, want.stderr)
		return
	}
	if g, w := without(got.stderr, ": NOTICE: "), without(without(want.stderr, "libkmod: "), ": ERROR: xz: "); g != w {
		t.Errorf("%s: stderr %q; want %q", how, g, w)
	}
}

// without returns a text without the lines that contain word.
func without(text, word string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, word) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

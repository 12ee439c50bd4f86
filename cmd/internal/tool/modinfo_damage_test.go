package tool_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
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

// keyIDShown is a signature whose signer is told by a key identifier, which kmod
// does not show; hashNumber is a digest algorithm that is none, of which kmod
// may know the name. See docs/differences.md.
var (
	keyIDShown = regexp.MustCompile(`(?m)^sig_id: +PKCS#7\nsigner: +\nsig_key:.*(?:\n\t\t.*)*\nsig_hashalgo:.*\nsignature:.*(?:\n\t\t.*)*\n`)
	hashNumber = regexp.MustCompile(`(?m)^sig_hashalgo:   [0-9.]+$`)
	hashLine   = regexp.MustCompile(`(?m)^sig_hashalgo:.*$`)
)

func compareResults(t *testing.T, how string, got, want result) {
	t.Helper()
	if !strings.Contains(want.stdout, "\nsig_id:") {
		got.stdout = keyIDShown.ReplaceAllString(got.stdout, "")
	}
	if line := hashNumber.FindString(got.stdout); line != "" {
		want.stdout = hashLine.ReplaceAllString(want.stdout, line)
	}
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

// TestModinfoDamagedTables changes fields of section headers, and symbols, that
// decide what is read, and compares.
func TestModinfoDamagedTables(t *testing.T) {
	image := kmodtest.Module{Name: "m", Exports: []kmodtest.Export{{Name: "one", CRC: 1}, {Name: "two", CRC: 2}}}.Bytes()
	e, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	shoff := binary.LittleEndian.Uint64(image[40:])
	name := filepath.Join(t.TempDir(), "damaged.ko")
	compare := func(how string, change func(b []byte)) {
		b := bytes.Clone(image)
		change(b)
		write(t, name, b)
		compareDamaged(t, name, how)
	}
	for i, s := range e.Sections {
		if !slices.Contains([]string{".modinfo", ".symtab", ".strtab", ".shstrtab", "__kcrctab", "__ksymtab_strings", "__versions"}, s.Name) {
			continue
		}
		header := int(shoff) + 64*i
		compare(s.Name+" with a name outside", func(b []byte) { binary.LittleEndian.PutUint32(b[header:], 1<<20) })
		compare(s.Name+" without space in the file", func(b []byte) { b[header+4] = byte(elf.SHT_NOBITS) })
		compare(s.Name+" outside the file", func(b []byte) { b[header+24+5] = 1 })
		for _, size := range []uint64{0, 1, s.Size - 1, s.Size + 1} {
			compare(fmt.Sprintf("%s with %d bytes", s.Name, size), func(b []byte) { binary.LittleEndian.PutUint64(b[header+32:], size) })
		}
		if s.Size > 0 && s.Type != elf.SHT_NOBITS {
			compare(s.Name+" with another last byte", func(b []byte) { b[s.Offset+s.Size-1] = 'A' })
		}
	}
	symbols, names := e.Section(".symtab"), e.Section(".strtab")
	for at := symbols.Offset; at < symbols.Offset+symbols.Size; at += 24 {
		for _, off := range []uint64{names.Size - 1, names.Size} {
			compare(fmt.Sprintf("symbol at %d with the name %d", at, off), func(b []byte) { binary.LittleEndian.PutUint32(b[at:], uint32(off)) })
		}
	}
}

// TestModinfoDamagedSignature changes each byte of a signature, and compares.
func TestModinfoDamagedSignature(t *testing.T) {
	sig := &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "Key", KeyID: []byte{1, 2, 3}, Sig: []byte("signature")}
	image := kmodtest.Module{Name: "m", Bare: true, Info: []string{"a=b"}, Signature: sig}.Bytes()
	plain := len(kmodtest.Module{Name: "m", Bare: true, Info: []string{"a=b"}}.Bytes())
	dir := t.TempDir()
	args := []string{"modinfo"}
	for at := plain; at < len(image); at++ {
		for _, v := range []byte{0, 1, 2, 0x0c, 0x13, 0x30, 0x7f, 0x80, 0xff} {
			b := bytes.Clone(image)
			b[at] = v
			name := filepath.Join(dir, fmt.Sprintf("m_%d_%d.ko", at-plain, v))
			write(t, name, b)
			args = append(args, name)
		}
	}
	got, want := ours(t, args...), kmods(t, args...)
	if got.status != want.status {
		t.Errorf("status %d; want %d", got.status, want.status)
	}
	g, w := strings.Split(got.stdout, "filename: "), strings.Split(want.stdout, "filename: ")
	for i := range min(len(g), len(w)) {
		name, _, _ := strings.Cut(w[i], "\n")
		compareResults(t, filepath.Base(name), result{stdout: g[i]}, result{stdout: w[i]})
	}
}

package kernel_test

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestBombs expands what grows beyond every measure. The limits are a small part of the real ones.
func TestBombs(t *testing.T) {
	const size, work = 2 << 20, 4 << 20
	zeros := make([]byte, 4*size)
	half := zeros[:size/2]
	bombs := map[string][]byte{}
	for _, argv := range [][]string{{"gzip", "-c"}, {"xz", "-c"}, {"zstd", "-c"}, {"lz4", "-l", "-c"}, {"xz", "--format=lzma", "-c"}, {"bzip2", "-c"}} {
		name := argv[0] + argv[1]
		bombs[name] = pack(t, zeros, argv...)
		bombs[name+" that says what it gives"] = binary.LittleEndian.AppendUint32(bytes.Clone(bombs[name]), uint32(len(zeros)))
		// A wrapping in a wrapping, and so on; each gives nearly as much as is allowed.
		nested := pack(t, half, argv...)
		for range 8 {
			nested = pack(t, append(nested, zeros[:size-1<<14-len(nested)]...), argv...)
		}
		bombs[name+", nested"] = append(nested, zeros[:1024]...)
		// Each of these is found to be damaged at its very end.
		broken := pack(t, half, argv...)
		broken[len(broken)-6] ^= 0x55
		many := make([]byte, 2048)
		for range 64 {
			many = append(many, broken...)
		}
		bombs[name+", many and broken"] = many
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			var left int64
			n := kmodtest.Allocated(func() { _, left, _ = kernel.UnwrapWithin(bomb, size, work) })
			// The last expansion may use its limit once more, and buffers grow by doubling.
			if done, most := work-left, int64(work+3*size+len(bomb)); done > most {
				t.Errorf("%d bytes read and made, more than %d", done, most)
			}
			if most := 8 * (work + 2*size); n > most {
				t.Errorf("%d bytes allocated, more than %d", n, most)
			}
		})
	}
}

// TestHostileTables reads export tables that lead to one long name again and again.
func TestHostileTables(t *testing.T) {
	const nameSize, records = 500, 1 << 19
	image := append(bytes.Repeat([]byte("n"), nameSize), make([]byte, 12)...)
	at := len(image)
	for i := range records {
		off := at + 12*i
		image = binary.LittleEndian.AppendUint32(image, 1)
		image = binary.LittleEndian.AppendUint32(image, uint32(-(off + 4)))
		image = binary.LittleEndian.AppendUint32(image, 0)
	}
	file := kmodtest.Program(stdelf.EM_X86_64, 0x1000, image, []kmodtest.Part{{}, {Name: ".rodata", To: at}, {Name: "__ksymtab", From: at, To: len(image)}, {Name: ".shstrtab"}})
	n := kmodtest.Allocated(func() {
		if _, err := kernel.FromImage("f", file, 0); err == nil {
			t.Error("half a million exports are accepted")
		}
	})
	if n > 32<<20 {
		t.Errorf("%d bytes allocated for a file of %d", n, len(file))
	}
}

// TestHostileSearch has a kernel without sections where everything leads to the name that the search begins with.
func TestHostileSearch(t *testing.T) {
	name := "\x00" + kernel.LayoutSymbol + "\x00\x00"
	image := bytes.Repeat([]byte(name), 1000)
	from := len(image)
	for i := 0; i < 1<<18; i++ { // each field leads to one of the names
		image = binary.LittleEndian.AppendUint32(image, uint32(1+i%1000*len(name)-(from+4*i)))
	}
	const steps = 1 << 24
	symbols, left, err := kernel.RawExports(image, steps)
	if err == nil {
		t.Errorf("%d symbols", len(symbols))
	}
	if -left > len(image) {
		t.Errorf("%d steps, more than %d", steps-left, steps)
	}
}

// TestHostileKeys has more beginnings of certificates than any kernel.
func TestHostileKeys(t *testing.T) {
	image, _ := shapes[0].raw()
	certificate := []byte("\x30\x0a\x30\x08\xa0\x03\x02\x01\x02\x02\x01\x07")
	image = append(image, bytes.Repeat(certificate[:len(certificate)-1], 1<<10)...)
	image = append(image, bytes.Repeat(certificate, 1<<16)...)
	im, err := kernel.FromImage("raw", image, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(im.Keys); n == 0 || n > kernel.MaxTries {
		t.Errorf("%d keys", n)
	}
}

package kernel_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestCorpusImages compares what boot images say with the Module.symvers of the same kernels, symbol by symbol.
func TestCorpusImages(t *testing.T) {
	keys := []string{"6.12", "7.2"}
	if os.Getenv("GOMODPROBE_LONG") != "" {
		keys = []string{"5.10", "6.1", "6.1-prev", "6.1-cloud", "6.12", "6.12-cloud", "7.2",
			"6.1:arm64", "6.1:armhf", "6.1:i386", "6.1:s390x", "6.1:ppc64el", "6.1:mips64el"}
	}
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			dir, release := kmodtest.Corpus(t, key)
			headers := kmodtest.Fetch(t, "headers", key)
			files, _ := filepath.Glob(filepath.Join(headers, "root/usr/src/linux-headers-*/Module.symvers"))
			if len(files) != 1 {
				t.Fatalf("Module.symvers: %q", files)
			}
			text, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			symvers, problems, err := kernel.ParseSymvers("Module.symvers", text)
			if err != nil || len(problems) != 0 {
				t.Fatal(err, problems)
			}
			want := symvers.Of(kernel.Core).Symbols()
			data, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
			if err != nil {
				t.Fatal(err)
			}
			im, err := kernel.FromImage("vmlinuz", data, 0)
			if err != nil {
				t.Fatal(err)
			}
			if im.Release != release || !strings.HasPrefix(im.Vermagic, release+" ") {
				t.Errorf("release %q, vermagic %q; want %s", im.Release, im.Vermagic, release)
			}
			if got := im.Exports.Symbols(); !slices.Equal(got, want) {
				t.Errorf("%d symbols differ from the %d of Module.symvers; first: %s", len(got), len(want), firstDiff(got, want))
			}
			t.Logf("%s: %d exports, %+v", im.Way, len(want), im.Features)
			config, err := os.ReadFile(filepath.Join(dir, "boot/config"))
			if err != nil {
				t.Fatal(err)
			}
			for option, got := range map[string]kernel.Tri{"MODULE_FORCE_LOAD": im.Features.ForceLoad, "MODULE_SIG": im.Features.Signatures, "MODVERSIONS": im.Features.Versions} {
				want := kernel.No
				if bytes.Contains(config, []byte("CONFIG_"+option+"=y\n")) {
					want = kernel.Yes
				}
				if got != want {
					t.Errorf("%s: probe says %v, the configuration %v", option, got, want)
				}
			}
		})
	}
}

func firstDiff(got, want []kernel.Symbol) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%+v; want %+v", got[i], want[i])
		}
	}
	return "the length"
}

// A shape is how an image of some era and machine lays out its tables.
type shape struct {
	name     string
	relative bool
	word     int
	fields   int
	big      bool
	crc      int // bytes of a CRC; 0: none; -4: distances to CRCs
	base     uint64
}

var shapes = []shape{
	{"arm64 since 5.4", true, 4, 3, false, 4, 0},
	{"arm64 4.19", true, 4, 2, false, 4, 0},
	{"s390x", false, 8, 3, true, 4, 0x100000},
	{"mips64el", false, 8, 3, false, 4, 0xffffffff80100000},
	{"armhf", false, 4, 3, false, 4, 0xc0008000},
	{"mips 32 big-endian", false, 4, 3, true, 4, 0x80100000},
	{"64-bit 4.4", false, 8, 2, false, 8, 0xffffffff81000000},
	{"64-bit 4.4 big-endian", false, 8, 2, true, 8, 0x100000},
	{"without versions", true, 4, 3, false, 0, 0},
	{"s390x 5.10", false, 8, 3, true, -4, 0x100000},
	{"ppc64el 5.10", false, 8, 3, false, -4, 0xc000000000000000},
	{"arm64 5.10", true, 4, 3, false, 4, 0},
	{"mips64 5.10", false, 8, 3, true, 4, 0xffffffff80100000},
}

// release is that of the image: its name says so where it matters.
func (s shape) release() string {
	if strings.HasSuffix(s.name, "5.10") {
		return "5.10.0-9-test"
	}
	return "6.1.0-9-test"
}

// raw makes an image of that shape, with its symbols.
func (s shape) raw() (image []byte, symbols []kernel.Symbol) {
	image, symbols, _ = s.build()
	return image, symbols
}

// places are where things are in an image.
type places struct{ plain, gpl, plainCRCs, gplCRCs, names, end int }

// build makes an image.
func (s shape) build() (image []byte, symbols []kernel.Symbol, at places) {
	rnd := rand.New(rand.NewPCG(1, uint64(len(s.name))))
	var plain, gpl []kernel.Symbol
	for i := range 300 {
		y := kernel.Symbol{Name: fmt.Sprintf("%c_sym%d", 'a'+rune(rnd.IntN(26)), i), Owner: "vmlinux"}
		if i == 0 {
			y.Name = kernel.LayoutSymbol
		}
		if s.fields > 2 && i%7 == 3 {
			y.Namespace = fmt.Sprintf("NS%d", i%3)
		}
		if s.crc != 0 {
			y.CRC, y.HasCRC = rnd.Uint32()|1, true
		}
		if y.GPL = i%3 == 1; y.GPL {
			gpl = append(gpl, y)
		} else {
			plain = append(plain, y)
		}
	}
	byName := func(list []kernel.Symbol) {
		sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	}
	byName(plain)
	byName(gpl)
	symbols = append(plain, gpl...)
	var order binary.ByteOrder = binary.LittleEndian
	if s.big {
		order = binary.BigEndian
	}
	image = make([]byte, 8192)
	for i := range image {
		image[i] = byte(rnd.Uint32())
	}
	copy(image[64:], "\x00Linux version "+s.release()+" (me) #1\n\x00"+s.release()+" SMP mod_unload \x00version magic '%s' should be\x00")
	width := max(s.crc, -s.crc)
	tables := len(image)
	record := s.word * s.fields
	strtab := tables + len(symbols)*(record+width)
	at = places{plain: tables, gpl: tables + len(plain)*record, plainCRCs: tables + len(symbols)*record, names: strtab}
	at.gplCRCs = at.plainCRCs + len(plain)*width
	image = append(image, make([]byte, strtab-tables)...)
	str := map[string]int{}
	intern := func(n string) int {
		if _, ok := str[n]; !ok {
			str[n] = len(image)
			image = append(append(image, n...), 0)
		}
		return str[n]
	}
	intern("")
	for i, y := range symbols {
		for f, target := range []int{0, intern(y.Name), intern(y.Namespace)}[:s.fields] {
			at := tables + (i*s.fields+f)*s.word
			switch {
			case s.relative:
				order.PutUint32(image[at:], uint32(target-at))
			case s.word == 8:
				order.PutUint64(image[at:], s.base+uint64(target))
			default:
				order.PutUint32(image[at:], uint32(s.base)+uint32(target))
			}
		}
		at := tables + len(symbols)*record + i*width
		switch s.crc {
		case -4: // the CRC stands anywhere, aligned
			for len(image)%4 != 0 {
				image = append(image, 0)
			}
			order.PutUint32(image[at:], uint32(len(image)-at))
			image = append(image, 0, 0, 0, 0, 0) // and what follows begins behind a zero
			order.PutUint32(image[len(image)-5:], y.CRC)
		case 4:
			order.PutUint32(image[at:], y.CRC)
		case 8:
			order.PutUint64(image[at:], uint64(y.CRC))
		}
	}
	at.end = len(image)
	image = append(image, bytes.Repeat([]byte{0xa5}, 1<<16)...)
	byName(symbols)
	return image, symbols, at
}

// elfFile makes an ELF program of a 64-bit little-endian image, with the sections that a kernel has.
func (s shape) elfFile(machine elf.Machine) (file []byte, symbols []kernel.Symbol) {
	image, symbols, at := s.build()
	return kmodtest.Program(machine, s.base, image, []kmodtest.Part{{}, {Name: ".rodata", To: at.plain}, {Name: "__ksymtab", From: at.plain, To: at.gpl}, {Name: "__ksymtab_gpl", From: at.gpl, To: at.plainCRCs},
		{Name: "__kcrctab", From: at.plainCRCs, To: at.gplCRCs}, {Name: "__kcrctab_gpl", From: at.gplCRCs, To: at.names}, {Name: "__ksymtab_strings", From: at.names, To: at.end}, {Name: ".shstrtab"}}), symbols
}

// TestELFImages reads kernels that are ELF files with sections, among them those with distances instead of CRCs.
func TestELFImages(t *testing.T) {
	for _, s := range shapes {
		if s.word == 4 && !s.relative || s.big {
			continue
		}
		machine := elf.EM_X86_64
		if s.crc < 0 {
			machine = elf.EM_PPC64
		}
		t.Run(s.name, func(t *testing.T) {
			file, want := s.elfFile(machine)
			im, err := kernel.FromImage("vmlinux", file, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := im.Exports.Symbols(); !slices.Equal(got, want) {
				t.Errorf("%d symbols, want %d: %s", len(got), len(want), firstDiff(got, want))
			}
			if im.Release != s.release() || im.Machine != uint16(machine) || im.Class != 64 {
				t.Errorf("release %q, machine %d, class %d", im.Release, im.Machine, im.Class)
			}
		})
	}
}

func TestRawImages(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			image, want := s.raw()
			im, err := kernel.FromImage("raw", image, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := im.Exports.Symbols(); !slices.Equal(got, want) {
				t.Errorf("%d symbols, want %d: %s", len(got), len(want), firstDiff(got, want))
			}
			if im.Release != s.release() || im.Vermagic != s.release()+" SMP mod_unload " {
				t.Errorf("release %q, vermagic %q", im.Release, im.Vermagic)
			}
		})
	}
}

// pack compresses with a program of the system.
func pack(t testing.TB, image []byte, argv ...string) []byte {
	t.Helper()
	kmodtest.Programs(t, argv[0])
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(image)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return out
}

// boot wraps a payload as x86's bzImage does.
func boot(payload []byte, size int) []byte {
	image := make([]byte, 0x4000)
	copy(image[0x202:], "HdrS\x0f\x02")
	image[0x1f1] = 3
	payload = binary.LittleEndian.AppendUint32(bytes.Clone(payload), uint32(size))
	binary.LittleEndian.PutUint32(image[0x248:], 0x4000-4*512)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)))
	return append(append(image, payload...), make([]byte, 999)...)
}

func TestUnwrap(t *testing.T) {
	raw, _ := shapes[0].raw()
	for _, tt := range [][]string{{"gzip", "-c"}, {"xz", "--check=crc32", "-c"}, {"xz", "--x86", "--lzma2=dict=1MiB", "-c"}, {"zstd", "-c"}, {"lz4", "-l", "-9", "-c"},
		{"xz", "--format=lzma", "-c"}, {"xz", "--format=lzma", "-0", "-c"}, {"bzip2", "-c"}} {
		t.Run(strings.Join(tt, " "), func(t *testing.T) {
			packed := pack(t, raw, tt...)
			name := tt[0]
			if slices.Contains(tt, "--format=lzma") {
				name = "lzma"
			}
			zimage := append(append([]byte("MZ\x00\x00zimg"), make([]byte, 2048-8)...), packed...)
			binary.LittleEndian.PutUint32(zimage[8:], 2048)
			binary.LittleEndian.PutUint32(zimage[12:], uint32(len(packed)))
			arm := append(bytes.Repeat([]byte{1, 2, 3}, 1000), packed...)
			arm = append(arm, bytes.Repeat([]byte{9}, 777)...)
			for _, w := range []struct {
				way   string
				image []byte
			}{
				{name, packed}, {"bzImage, " + name, boot(packed, len(raw))}, {"EFI zboot, " + name, zimage}, {name + " inside", arm},
				{"unified kernel image, bzImage, " + name, unified(boot(packed, len(raw)))},
			} {
				got, way, err := kernel.Unwrap(w.image)
				if err != nil || way != w.way || !bytes.Equal(got, raw) {
					t.Errorf("%s: %d bytes, %q, %v; want %d", w.way, len(got), way, err, len(raw))
				}
			}
			for _, cut := range []int{14, len(packed) / 2, len(packed) - 9} {
				if got, way, err := kernel.Unwrap(append(packed[:cut:cut], make([]byte, 0)...)); err == nil && bytes.Equal(got, raw) {
					t.Errorf("cut at %d: accepted as %s", cut, way)
				}
			}
		})
	}
	for name, image := range map[string][]byte{"empty": nil, "zeros": make([]byte, 1<<16), "text": bytes.Repeat([]byte("hello "), 4000)} {
		if _, _, err := kernel.Unwrap(image); !errors.Is(err, kernel.ErrImage) {
			t.Errorf("%s: %v; want ErrImage", name, err)
		}
	}
}

// TestLZ4 expands what has several blocks, and blocks that are shorter than they should be.
func TestLZ4(t *testing.T) {
	raw, _ := shapes[0].raw()
	big := append(bytes.Repeat(append(raw, "and again"...), (20<<20)/len(raw)), raw...)
	frame := pack(t, big, "lz4", "-l", "-c")
	for name, packed := range map[string][]byte{"blocks": frame, "with a size behind": binary.LittleEndian.AppendUint32(bytes.Clone(frame), uint32(len(big)))} {
		if got, way, err := kernel.Unwrap(packed); err != nil || way != "lz4" || !bytes.Equal(got, big) {
			t.Errorf("%s: %d bytes, %q, %v; want %d", name, len(got), way, err, len(big))
		}
	}
	joined := append(pack(t, raw, "lz4", "-l", "-c"), frame...)
	if got, _, err := kernel.Unwrap(joined); err != nil || !bytes.Equal(got, append(bytes.Clone(raw), big...)) {
		t.Errorf("joined: %d bytes, %v", len(got), err)
	}
	frame[len(frame)/2] ^= 0xff
	if got, _, err := kernel.Unwrap(frame[:len(frame)-100]); err == nil && bytes.Equal(got, big) {
		t.Error("damaged: accepted")
	}
}

// unified wraps a boot image in a PE program with a section .linux.
func unified(image []byte) []byte {
	b := make([]byte, 4096)
	copy(b, "MZ")
	le := binary.LittleEndian
	le.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	le.PutUint16(b[0x86:], 2)
	at := 0x80 + 24
	copy(b[at:], ".osrel")
	at += 40
	copy(b[at:], ".linux")
	le.PutUint32(b[at+8:], uint32(len(image)))
	le.PutUint32(b[at+16:], uint32(len(image)))
	le.PutUint32(b[at+20:], 4096)
	return append(b, image...)
}

func FuzzFromImage(f *testing.F) {
	for _, s := range shapes {
		image, _ := s.raw()
		fuzzseed.Add(f, image[4096:len(image)-1<<16+100])
	}
	image, _ := shapes[0].raw()
	image = image[4096 : len(image)-1<<16+100]
	fuzzseed.Add(f, boot(pack(f, image, "gzip", "-c"), len(image)))
	fuzzseed.Add(f, boot(pack(f, image, "xz", "--format=lzma", "-c"), len(image)))
	fuzzseed.Add(f, boot(pack(f, image, "lz4", "-l", "-c"), len(image)))
	fuzzseed.Add(f, unified(pack(f, image, "zstd", "-c")))
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := kernel.FromImage("f", data, 0)
		if (im == nil) != (err != nil) {
			t.Fatalf("image %v, error %v", im, err)
		}
		if err != nil {
			return
		}
		// Every export has a name by which it is found, and the list is sorted.
		all := im.Exports.Symbols()
		for i, s := range all {
			if got, answer := im.Exports.Lookup(s.Name); answer != kernel.Found || got.Name != s.Name {
				t.Fatalf("Lookup(%q) = %+v, %v", s.Name, got, answer)
			}
			if i > 0 && all[i-1].Name > s.Name {
				t.Fatalf("%q before %q", all[i-1].Name, s.Name)
			}
		}
	})
}

// BenchmarkFromImage reads boot images packed in each way.
func BenchmarkFromImage(b *testing.B) {
	for _, key := range []string{"6.12", "6.1", "6.1-cloud"} {
		b.Run(key, func(b *testing.B) {
			dir, _ := kmodtest.Corpus(b, key)
			data, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := kernel.FromImage("vmlinuz", data, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package types_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// debian returns a Debian kernel, out of its boot image.
func debian(t testing.TB, key string) types.Side {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	image, err := os.ReadFile(filepath.Join(dir, "boot", "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	vmlinux, _, err := kernel.Unwrap(image)
	if err != nil {
		t.Fatal(err)
	}
	told, err := kernel.FromImage(release, vmlinux, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Parse(vmlinux)
	if err != nil {
		t.Fatal(err)
	}
	var s types.Side
	if s.Types, err = btf.Parse(section(t, f, ".BTF"), nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range told.Exports.Symbols() {
		s.Exports = append(s.Exports, types.Export{Name: e.Name, CRC: e.CRC, HasCRC: e.HasCRC})
	}
	return s
}

func section(t testing.TB, f *elf.File, name string) []byte {
	t.Helper()
	s, ok := f.Section(name)
	if !ok {
		return nil
	}
	data, err := f.Data(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// debianModules calls do with every nth module of a kernel.
func debianModules(t testing.TB, key string, base *btf.File, nth int, do func(name string, m types.Module)) {
	t.Helper()
	kmodtest.CorpusModules(t, key, nth, func(tree fs.FS, name string) {
		image, _, err := compress.ReadFile(tree, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		do(name, module(t, image, base))
	})
}

func module(t testing.TB, image []byte, base *btf.File) types.Module {
	t.Helper()
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	m := types.Module{}
	if data := section(t, f, ".BTF"); data != nil { // 5.10's modules have none
		if m.Types, err = btf.Parse(data, base); err != nil {
			t.Fatal(err)
		}
	}
	versions, _ := f.Versions()
	for _, v := range versions {
		m.Imports = append(m.Imports, types.Export{Name: v.Name, CRC: uint32(v.CRC), HasCRC: true})
	}
	if len(versions) == 0 {
		imports, err := f.Imports()
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range imports {
			m.Imports = append(m.Imports, types.Export{Name: im.Name})
		}
	}
	return m
}

// TestDebian compares Debian's kernels in pairs. Where a version differs and there is a type, a type must tell why,
// in 995 cases of 1000.
func TestDebian(t *testing.T) {
	pairs := [][2]string{{"6.1-prev", "6.1"}}
	if os.Getenv("GOMODPROBE_LONG") != "" {
		pairs = append(pairs, [][2]string{{"6.12-prev", "6.12"}, {"6.1", "6.1-cloud"}, {"6.12", "6.12-cloud"},
			{"6.1", "6.12"}, {"5.10", "6.1"}, {"6.1", "6.1.0-53"}, {"6.12.116", "6.12"}, {"6.12", "6.12.118"},
			{"6.12", "7.2"}, {"6.12", "6.12"}}...)
	}
	typed, unexplained := 0, 0
	for _, pair := range pairs {
		t.Run(pair[0]+" "+pair[1], func(t *testing.T) {
			a, b := debian(t, pair[0]), debian(t, pair[1])
			c := types.Compare(a, b)
			r := c.Report()
			t.Logf("%d types changed, %d declarations; differ: %+v; agree: %+v; %d steps", len(r.Types),
				len(r.Prototypes), r.Differ, r.Agree, c.Steps())
			typed += r.Differ.Equal + r.Differ.Closure + r.Differ.Prototype
			t.Logf("not explained: %q", r.CRCOnly)
			unexplained += r.Differ.Equal
			if r.TooMuch {
				t.Error("too much")
			}
			if pair[0] == pair[1] && len(r.Types) > 0 {
				t.Errorf("a kernel differs from itself: %v", r.Types[0])
			}
			classes := map[types.Class]int{}
			debianModules(t, pair[0], a.Types, 40, func(name string, m types.Module) {
				ch := c.Module(m)
				classes[ch.Class]++
				if ch.Differ > 0 && len(ch.Types) == 0 && ch.Class != types.ClassNotKnown {
					t.Errorf("%s: %+v", name, ch)
				}
			})
			t.Logf("classes: %v", classes)
		})
	}
	if unexplained*1000 > typed*5 || typed < 1000 {
		t.Errorf("%d of %d versions that differ are not explained", unexplained, typed)
	}
}

// BenchmarkModule is what modprobe --check does for one module, from the sections on.
func BenchmarkModule(b *testing.B) {
	a, other := debian(b, "6.1-prev"), debian(b, "6.1")
	var m types.Module
	debianModules(b, "6.1-prev", a.Types, 1, func(name string, one types.Module) {
		if strings.Contains(name, "/wireguard.ko") {
			m = one
		}
	})
	for b.Loop() {
		if ch := types.Compare(a, other).Module(m); ch.Differ == 0 {
			b.Fatalf("%+v", ch)
		}
	}
}

// BenchmarkReport is what modinfo --diff does, from the sections on.
func BenchmarkReport(b *testing.B) {
	a, other := debian(b, "6.1"), debian(b, "6.12")
	for b.Loop() {
		if r := types.Compare(a, other).Report(); len(r.Types) == 0 {
			b.Fatalf("%+v", r)
		}
	}
}

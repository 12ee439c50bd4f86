package types_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// kernelC is the testKernel in C.
const kernelC = `
struct bus { char *name; unsigned long flags; };
struct power { unsigned long state; char usage; unsigned long timer; };
struct device { char *name; struct bus *bus; struct power power; long more; };
`

// TestDebug has modules without BTF and with DWARF, as gcc writes it, on a kernel whose struct bus is another.
func TestDebug(t *testing.T) {
	kmodtest.Programs(t, "gcc")
	moved := func(k *testKernel) uint32 {
		return k.Struct("bus", 24, at("id", k.long, 0), at("name", k.Pointer(k.char), 8), at("flags", k.long, 16))
	}
	a, b := side(t, build(plainBus, plainPower), []string{}), side(t, build(moved, plainPower), []string{"device_add"})
	for _, test := range []struct {
		name, source string
		class        types.Class
		used         string
	}{
		{"pointer", "struct own { int n; struct { struct bus *b; } in; } o;", types.ClassNamesMoved,
			"follows a pointer to it in struct own.in.b"},
		{"embedded", "struct own { struct bus b[2]; } o;", types.ClassNamesMoved, "embeds it in struct own.b"},
		{"variable", "static const volatile struct bus b; const volatile void *p = &b;", types.ClassNamesMoved, "embeds it in b"},
		{"parameter", "int f(const struct bus *b) { return b->flags; }", types.ClassNamesMoved, "takes it in f()"},
		{"callback", "struct own { int (*f)(struct bus *); } o;", types.ClassNamesMoved,
			"follows a pointer to it in struct own.f"},
		{"declared only", "struct bus; struct own { struct bus *b; } o;", types.ClassNamesMoved,
			"follows a pointer to it in struct own.b"},
		{"another one", "int f(struct device *d) { return d->power.usage; }", types.ClassNoneNamed, ""},
		{"in a function's body", "int f(struct device *d) { struct bus *b = d->bus; return b->flags; }", types.ClassNoneNamed, ""},
		{"of its own, of that name", "union bus { char c; } o;", types.ClassNoneNamed, ""},
	} {
		source := kernelC + test.source
		if test.name == "declared only" || test.name == "of its own, of that name" {
			source = test.source
		}
		for _, version := range []string{"-gdwarf-4", "-gdwarf-5"} {
			d := compiled(t, source, version)
			m := types.Module{Imports: []types.Export{{Name: "device_add", CRC: 1, HasCRC: true}}, Debug: func() *types.Debug { return d }}
			ch := types.Compare(a, b).Module(m)
			if ch.Class != test.class || len(ch.Types) != 1 || ch.Types[0].Used != test.used {
				t.Errorf("%s, %s: %v, %+v", test.name, version, ch.Class, ch.Types)
			}
		}
	}
}

// compiled compiles C with debugging information, linked so that it has no relocations.
func compiled(t *testing.T, source string, words ...string) *types.Debug {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.so")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O2", "-fPIC", "-shared", "-nostdlib", "-o", out, in}, words...)
	if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	image, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	d, err := types.ReadDebug(f.Content)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// FuzzDebug wants of any bytes an end, and either an error or what a module can be compared by.
func FuzzDebug(f *testing.F) {
	abbrev := []byte{
		1, 0x11, 1, 0, 0, // compile unit, children
		2, 0x13, 1, 3, 8, 0xb, 0xb, 0, 0, // structure: name, size
		3, 0xd, 0, 3, 8, 0x49, 0x13, 0, 0, // member: name, type
		4, 0xf, 0, 0x49, 0x13, 0, 0, // pointer: type
		5, 0x34, 0, 3, 8, 0x49, 0x13, 0, 0, // variable: name, type
		0}
	info := []byte{0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1,
		2, 'b', 'u', 's', 0, 16, 3, 'n', 0, 26, 0, 0, 0, 0, 4, 12, 0, 0, 0, 5, 'v', 0, 12, 0, 0, 0, 0}
	info[0] = byte(len(info) - 4)
	f.Add(abbrev, info, []byte{0})
	for i := range info {
		bad := append([]byte(nil), info...)
		bad[i] ^= 0x15
		f.Add(abbrev, bad, []byte{0})
	}
	a, b := side(f, build(plainBus, plainPower), []string{}), side(f, build(plainPower, plainPower), []string{"device_add"})
	f.Fuzz(func(t *testing.T, abbrev, info, text []byte) {
		d, err := types.ReadDebug(func(name string) []byte {
			return map[string][]byte{".debug_abbrev": abbrev, ".debug_info": info, ".debug_str": text}[name]
		})
		if (d == nil) != (err != nil) {
			t.Fatalf("%v, %v", d, err)
		}
		if d != nil {
			m := types.Module{Imports: []types.Export{{Name: "device_add", CRC: 1, HasCRC: true}}, Debug: func() *types.Debug { return d }}
			if ch := types.Compare(a, b).Module(m); (ch.Class == types.ClassNotKnown) != (ch.Why != "") {
				t.Errorf("%v: %q", ch.Class, ch.Why)
			}
		}
	})
}

package kmodtest_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// machines are the shapes a module comes in.
var machines = []struct {
	name    string
	class   int
	big     bool
	machine elf.Machine
}{
	{"x86-64", 64, false, elf.EM_X86_64},
	{"i386", 32, false, elf.EM_386},
	{"arm64", 64, false, elf.EM_AARCH64},
	{"arm", 32, false, elf.EM_ARM},
	{"s390x", 64, true, elf.EM_S390},
	{"ppc64", 64, true, elf.EM_PPC64},
	{"mips64el", 64, false, elf.EM_MIPS},
	{"mips", 32, true, elf.EM_MIPS},
	{"riscv", 64, false, elf.EM_RISCV},
}

func sample() kmodtest.Module {
	return kmodtest.Module{
		Name:     "mod-top",
		Aliases:  []string{"pci:v00008086d*"},
		Params:   []kmodtest.Param{{Name: "debug", Type: "int", Desc: "debug level"}},
		Exports:  []kmodtest.Export{{Name: "top_sym", CRC: 0x11223344}, {Name: "top_gpl", CRC: 0xdeadbeef, GPL: true, Namespace: "TOP"}},
		Imports:  []kmodtest.Import{{Name: "module_layout", CRC: 0xabcdef01, VersionOnly: true}, {Name: "printk", CRC: 0x92997ed8}, {Name: "maybe", Weak: true, NoVersion: true}},
		BuildID:  []byte("0123456789abcdefghij"),
		Versions: kmodtest.VersionsBoth,
	}
}

// TestBytes reads back with debug/elf what the writer made, for every machine and every era.
func TestBytes(t *testing.T) {
	for _, mach := range machines {
		for crcs := kmodtest.CRCInSection; crcs <= kmodtest.CRCNone; crcs++ {
			t.Run(fmt.Sprintf("%s/%d", mach.name, crcs), func(t *testing.T) {
				m := sample()
				m.Class, m.Big, m.Machine, m.CRCs = mach.class, mach.big, mach.machine, crcs
				f, err := elf.NewFile(bytes.NewReader(m.Bytes()))
				if err != nil {
					t.Fatal(err)
				}
				if f.Machine != mach.machine || f.Type != elf.ET_REL {
					t.Errorf("machine %v, type %v", f.Machine, f.Type)
				}
				symbols, err := f.Symbols()
				if err != nil {
					t.Fatal(err)
				}
				checkCRCs(t, f, symbols, crcs)
				var undefined []string
				for _, s := range symbols {
					if s.Section == elf.SHN_UNDEF && !strings.HasPrefix(s.Name, "__crc_") {
						undefined = append(undefined, fmt.Sprint(s.Name, elf.ST_BIND(s.Info)))
					}
				}
				if got, want := strings.Join(undefined, " "), "printkSTB_GLOBAL maybeSTB_WEAK"; got != want {
					t.Errorf("undefined symbols: %s; want %s", got, want)
				}
				if got := f.Section("__versions") == nil; got != (crcs == kmodtest.CRCNone) {
					t.Errorf("no __versions: %v", got)
				}
			})
		}
	}
}

func checkCRCs(t *testing.T, f *elf.File, symbols []elf.Symbol, style kmodtest.CRCStyle) {
	t.Helper()
	got := make(map[string]uint32)
	for _, s := range symbols {
		name, ok := strings.CutPrefix(s.Name, "__crc_")
		if !ok {
			continue
		}
		if s.Section == elf.SHN_ABS {
			got[name] = uint32(s.Value)
			continue
		}
		data, err := f.Sections[s.Section].Data()
		if err != nil {
			t.Fatal(err)
		}
		got[name] = f.ByteOrder.Uint32(data[s.Value:])
	}
	want := map[string]uint32{"top_sym": 0x11223344, "top_gpl": 0xdeadbeef}
	if style == kmodtest.CRCNone {
		want = nil
	}
	if fmt.Sprint(got) != fmt.Sprint(want) && len(got)+len(want) > 0 {
		t.Errorf("CRCs %x; want %x", got, want)
	}
}

// TestOracle has real kmod read what the writer made.
func TestOracle(t *testing.T) {
	o := kmodtest.Oracle(t)
	for _, mach := range machines {
		t.Run(mach.name, func(t *testing.T) {
			m := sample()
			m.Class, m.Big, m.Machine = mach.class, mach.big, mach.machine
			m.Signature = &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "A Signer", KeyID: []byte{1, 0xab}, Sig: []byte("signature")}
			user := kmodtest.Module{Name: "user", Imports: []kmodtest.Import{{Name: "top_gpl", CRC: 1}}, Class: mach.class, Big: mach.big, Machine: mach.machine}
			root := kmodtest.Tree(t, "6.1.0", m, user)
			dir := filepath.Join(root, "lib/modules/6.1.0")
			for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
				os.WriteFile(filepath.Join(dir, name), nil, 0o644)
			}
			o.Depmod(t, root, "6.1.0")
			dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
			if err != nil {
				t.Fatal(err)
			}
			if want := "kernel/user.ko: kernel/mod-top.ko\n"; !strings.Contains(string(dep), want) {
				t.Errorf("modules.dep is %q, lacks %q", dep, want)
			}
			out, err := o.Command("modinfo", filepath.Join(dir, "kernel/mod-top.ko")).CombinedOutput()
			if err != nil {
				t.Errorf("modinfo: %v", err)
			}
			for _, want := range []string{"license:        GPL", "signer:         A Signer", "sig_key:        01:AB", "sig_hashalgo:   sha256", "name:           mod_top"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("modinfo lacks %q:\n%s", want, out)
				}
			}
			out, err = o.Command("modprobe", "-d", root, "-S", "6.1.0", "--show-exports", filepath.Join(dir, "kernel/mod-top.ko")).CombinedOutput()
			if err != nil || string(out) != "0x11223344\ttop_sym\n0xdeadbeef\ttop_gpl\n" {
				t.Errorf("modprobe --show-exports: %v\n%s", err, out)
			}
		})
	}
}

func TestX509Signature(t *testing.T) {
	m := kmodtest.Module{Name: "old", Signature: &kmodtest.Signature{Kind: kmodtest.X509, Signer: "Old Signer", KeyID: []byte{0xaa, 0xbb}, Hash: 4, Sig: []byte("sig")}}
	name := filepath.Join(t.TempDir(), "old.ko")
	if err := os.WriteFile(name, m.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := kmodtest.Oracle(t).Command("modinfo", name).CombinedOutput()
	for _, want := range []string{"sig_id:         X509", "signer:         Old Signer", "sig_key:        AA:BB", "sig_hashalgo:   sha256"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("modinfo lacks %q:\n%s", want, out)
		}
	}
}

func TestParseSpec(t *testing.T) {
	s, err := kmodtest.ParseSpec(`
release 6.2.0
order kernel/a/x-y.ko
module kernel/a/x-y.ko.gz
	export a 0x10 gpl ns=N
	import b 0x20 weak
	import c
	param p int some text
	info k=v w
	machine s390
	big
builtin kernel/b.ko
	info license=GPL
`)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v %+v", s.Modules[0].Exports, s.Modules[0].Imports)
	want := "[{Name:a CRC:16 GPL:true Namespace:N NoCRC:false}] " +
		"[{Name:b CRC:32 Weak:true NoVersion:false VersionOnly:false} {Name:c CRC:0 Weak:false NoVersion:true VersionOnly:false}]"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	dir := filepath.Join(s.Tree(t), "lib/modules/6.2.0")
	for name, want := range map[string]string{"modules.order": "kernel/a/x-y.ko\n", "modules.builtin": "kernel/b.ko\n", "modules.builtin.modinfo": "b.license=GPL\x00"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q (%v); want %q", name, got, err, want)
		}
	}
	if image, err := os.ReadFile(filepath.Join(dir, "kernel/a/x-y.ko.gz")); err != nil || !bytes.HasPrefix(image, []byte{0x1f, 0x8b}) {
		t.Errorf("the module is not compressed: %v", err)
	}
	for _, bad := range []string{"alias x", "module a.ko\nnonsense", "module a.ko\nexport", "builtin b.ko\nalias x", "module a.ko\nmachine vax", "module a.ko\nexport a zz"} {
		if _, err := kmodtest.ParseSpec(bad); err == nil {
			t.Errorf("ParseSpec(%q) has no error", bad)
		}
	}
}

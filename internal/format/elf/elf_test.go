package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// sample is a module with one of everything.
var sample = kmodtest.Module{
	Name: "sam-ple",
	Exports: []kmodtest.Export{
		{Name: "plain", CRC: 0x11223344},
		{Name: "gpl_only", CRC: 0x80000001, GPL: true},
		{Name: "in_space", CRC: 3, GPL: true, Namespace: "SPACE"},
		{Name: "unversioned", NoCRC: true},
	},
	Imports: []kmodtest.Import{
		{Name: "printk", CRC: 0x92997ed8},
		{Name: "perhaps", CRC: 0xffffffff, Weak: true},
		{Name: "bare", NoVersion: true},
		{Name: "module_layout", CRC: 5, VersionOnly: true},
	},
	BuildID:   []byte{1, 2, 3, 4, 5, 6, 7, 8},
	Signature: &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "Somebody", KeyID: []byte{0x12, 0xab}, Sig: []byte("signature")},
}

// shapes are the combinations of word size, byte order and machine that
// modules come in.
var shapes = []struct {
	class   int
	big     bool
	machine stdelf.Machine
}{
	{64, false, stdelf.EM_X86_64}, {64, false, stdelf.EM_AARCH64}, {64, true, stdelf.EM_S390}, {64, false, stdelf.EM_PPC64},
	{32, false, stdelf.EM_386}, {32, false, stdelf.EM_ARM}, {32, true, stdelf.EM_PPC}, {64, false, stdelf.EM_MIPS}, {64, true, stdelf.EM_MIPS},
	{32, true, stdelf.EM_MIPS}, {64, false, stdelf.EM_RISCV},
}

// forms returns sample in every shape.
func forms() map[string]kmodtest.Module {
	all := make(map[string]kmodtest.Module)
	for _, s := range shapes {
		m := sample
		m.Class, m.Big, m.Machine = s.class, s.big, s.machine
		order := "little"
		if s.big {
			order = "big"
		}
		all[fmt.Sprintf("%v-%d-%s", s.machine, s.class, order)] = m
	}
	return all
}

// both opens an image as a whole and in parts.
func both(t testing.TB, image []byte) [2]*elf.File {
	t.Helper()
	whole, err := elf.Parse(image)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	parts, err := elf.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return [2]*elf.File{whole, parts}
}

func TestSample(t *testing.T) {
	for name, m := range forms() {
		t.Run(name, func(t *testing.T) {
			for _, f := range both(t, m.Bytes()) {
				if f.Class() != m.Class || (f.ByteOrder().String() == "BigEndian") != m.Big || f.Machine() != uint16(m.Machine) || f.Type() != uint16(stdelf.ET_REL) {
					t.Errorf("Class %d, ByteOrder %v, Machine %d, Type %d", f.Class(), f.ByteOrder(), f.Machine(), f.Type())
				}
				checkSymbols(t, f)
				if id := f.BuildID(); !bytes.Equal(id, m.BuildID) {
					t.Errorf("BuildID = %x; want %x", id, m.BuildID)
				}
				this, ok := f.ThisModule()
				if !ok || this.Name != "sam_ple" || this.Init <= 0 || this.Exit <= this.Init || this.Size <= uint64(this.Exit) {
					t.Errorf("ThisModule = %+v, %v", this, ok)
				}
				sig, err := f.Signature()
				if err != nil || sig == nil || sig.IDType != elf.SigPKCS7 {
					t.Errorf("Signature = %+v, %v", sig, err)
				}
				info, err := f.Modinfo()
				if err != nil || len(info) == 0 || info[0] != "license=GPL" {
					t.Errorf("Modinfo = %q, %v", info, err)
				}
			}
		})
	}
}

// checkSymbols compares exports and imports with those of sample.
func checkSymbols(t *testing.T, f *elf.File) {
	t.Helper()
	exports, err := f.ExportTable()
	want := []elf.Export{
		{Name: "plain", CRC: 0x11223344, HasCRC: true},
		{Name: "unversioned"},
		{Name: "gpl_only", CRC: 0x80000001, HasCRC: true, GPL: true},
		{Name: "in_space", Namespace: "SPACE", CRC: 3, HasCRC: true, GPL: true},
	}
	byName := func(a, b elf.Export) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(exports, byName)
	slices.SortFunc(want, byName)
	if err != nil || !reflect.DeepEqual(exports, want) {
		t.Errorf("ExportTable = %+v, %v; want %+v", exports, err, want)
	}
	imports, err := f.Imports()
	if imports[0].Name == "__crc_unversioned" {
		imports = imports[1:]
	}
	wantImports := []elf.Import{
		{Name: "printk", CRC: 0x92997ed8, HasCRC: true},
		{Name: "perhaps", Weak: true, CRC: 0xffffffff, HasCRC: true},
		{Name: "bare"},
		{Name: "module_layout", CRC: 5, HasCRC: true, Listed: true},
	}
	if err != nil || !reflect.DeepEqual(imports, wantImports) {
		t.Errorf("Imports = %+v, %v; want %+v", imports, err, wantImports)
	}
}

// TestEras has the ways in which CRCs and licences were stored over the years.
func TestEras(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*kmodtest.Module)
	}{
		{"since 5.19", func(m *kmodtest.Module) { m.CRCs = kmodtest.CRCInSection }},
		{"up to 5.18", func(m *kmodtest.Module) { m.CRCs = kmodtest.CRCAbsolute }},
		{"up to 5.18, powerpc and s390", func(m *kmodtest.Module) { m.CRCs = kmodtest.CRCRelative }},
		{"after 6.19", func(m *kmodtest.Module) { m.FlagsTable = true }},
		{"since 6.14", func(m *kmodtest.Module) { m.Versions = kmodtest.VersionsExtended }},
		{"since 6.14, with the old table", func(m *kmodtest.Module) { m.Versions = kmodtest.VersionsBoth }},
	} {
		for name, m := range forms() {
			test.change(&m)
			t.Run(test.name+"/"+name, func(t *testing.T) {
				for _, f := range both(t, m.Bytes()) {
					checkSymbols(t, f)
				}
			})
		}
	}
}

func TestUnversionedKernel(t *testing.T) {
	m := sample
	m.CRCs = kmodtest.CRCNone
	f := both(t, m.Bytes())[0]
	exports, err := f.ExportTable()
	want := []elf.Export{{Name: "plain"}, {Name: "unversioned"}, {Name: "gpl_only", GPL: true}, {Name: "in_space", Namespace: "SPACE", GPL: true}}
	if err != nil || !reflect.DeepEqual(exports, want) {
		t.Errorf("ExportTable = %+v, %v; want %+v", exports, err, want)
	}
	// kmod takes the names of namespaces for exports.
	names := map[string]bool{}
	list, err := f.Exports()
	for _, e := range list {
		names[e.Name] = true
	}
	if err != nil || !names["plain"] || !names["in_space"] || !names["SPACE"] {
		t.Errorf("Exports = %+v, %v", list, err)
	}
}

func TestVersions(t *testing.T) {
	long := "a_name_that_is_longer_than_the_fifty_five_bytes_which_the_old_table_has_room_for"
	m := sample
	m.Imports = append(m.Imports[:len(m.Imports):len(m.Imports)], kmodtest.Import{Name: long, CRC: 7})
	m.Versions = kmodtest.VersionsExtended
	f := both(t, m.Bytes())[1]
	if v, err := f.Versions(); !errors.Is(err, elf.ErrNoSection) {
		t.Errorf("Versions = %v, %v; want %v", v, err, elf.ErrNoSection)
	}
	v, err := f.ExtVersions()
	if err != nil || v[len(v)-1] != (elf.Version{Name: long, CRC: 7}) {
		t.Errorf("ExtVersions = %v, %v", v, err)
	}
	imports, err := f.Imports()
	if want := (elf.Import{Name: long, CRC: 7, HasCRC: true}); err != nil || !slices.Contains(imports, want) {
		t.Errorf("Imports = %+v, %v; want %+v", imports, err, want)
	}
}

// TestNotSound has files that are not modules, and what is said about them.
func TestNotSound(t *testing.T) {
	change := func(off int, b ...byte) []byte {
		image := sample.Bytes()
		copy(image[off:], b)
		return image
	}
	for _, test := range []struct {
		name   string
		image  []byte
		notELF bool
		off    int64
	}{
		{"empty", nil, false, 0},
		{"five bytes", []byte("\x7fELF\x02"), false, 0},
		{"six bytes", []byte("\x7fELF\x02\x01"), true, 0},
		{"script", []byte("#!/bin/sh\nexit 0\n"), true, 0},
		{"no class", change(4, 3), false, 4},
		{"no byte order", change(5, 0), false, 5},
		{"header cut off", sample.Bytes()[:63], false, 63},
		{"other byte order", change(5, 2), false, 58},
		{"other word size", change(4, 1), false, 46},
		{"section headers far away", change(40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), false, -1},
		{"too many sections", change(60, 0xff, 0xff), false, -2},
		{"no sections", change(60, 0, 0), false, 60},
		{"no section names", change(62, 0, 0), false, 62},
		{"section names out of range", change(62, 0xff, 0), false, 62},
	} {
		f, err := elf.Parse(test.image)
		var bad *elf.FormatError
		if f != nil || !errors.As(err, &bad) || errors.Is(err, elf.ErrNotELF) != test.notELF || (test.off != -2 && bad.Off != test.off) {
			t.Errorf("%s: %v, %v; want an error at offset %d", test.name, f, err, test.off)
		}
		if _, err2 := elf.Open(bytes.NewReader(test.image), int64(len(test.image))); err2 == nil || err2.Error() != err.Error() {
			t.Errorf("%s: Parse: %v; Open: %v", test.name, err, err2)
		}
	}
}

// TestExtendedNumbering: a file with more sections than its header can count is said to have too many, not none.
func TestExtendedNumbering(t *testing.T) {
	image := sample.Bytes()
	shoff := binary.LittleEndian.Uint64(image[40:])
	binary.LittleEndian.PutUint16(image[60:], 0)
	binary.LittleEndian.PutUint64(image[shoff+32:], 79383) // sh_size of the first section header
	_, err := elf.Parse(image)
	if err == nil || !strings.Contains(err.Error(), "79383 sections, more than the 65279 that a kernel takes at offset 0x3c") {
		t.Errorf("Parse: %v", err)
	}
	if _, err2 := elf.Open(bytes.NewReader(image), int64(len(image))); err2 == nil || err2.Error() != err.Error() {
		t.Errorf("Parse: %v; Open: %v", err, err2)
	}
}

func TestSplitSignature(t *testing.T) {
	m := sample
	m.Signature = &kmodtest.Signature{Kind: kmodtest.X509, Signer: "Somebody", KeyID: []byte{1, 2, 3}, Hash: 4, Sig: []byte("not a signature")}
	image := m.Bytes()
	m.Signature = nil
	plain := m.Bytes()
	stripped, sig := elf.SplitSignature(image)
	want := &elf.Signature{Off: int64(len(plain)), Algo: 1, Hash: 4, IDType: elf.SigX509,
		Signer: []byte("Somebody"), KeyID: []byte{1, 2, 3}, Data: []byte("not a signature")}
	if !bytes.Equal(stripped, plain) || !reflect.DeepEqual(sig, want) {
		t.Errorf("SplitSignature = %d bytes, %+v; want %d, %+v", len(stripped), sig, len(plain), want)
	}
	for _, change := range []struct {
		name string
		back int // from the end
		b    byte
	}{{"mark", 1, ' '}, {"algorithm", 40, 2}, {"digest", 39, 9}, {"kind", 38, 3}, {"length", 32, 1}, {"length", 31, 0xff}} {
		bad := bytes.Clone(image)
		bad[len(bad)-change.back] = change.b
		if stripped, sig := elf.SplitSignature(bad); sig != nil || len(stripped) != len(bad) {
			t.Errorf("bad %s: %d bytes, %+v", change.name, len(stripped), sig)
		}
	}
}

// TestUnsoundTables: exports are found without a sound symbol table, strings without a NUL behind the last.
func TestUnsoundTables(t *testing.T) {
	image := kmodtest.Module{Name: "m", Exports: []kmodtest.Export{{Name: "one", CRC: 1}}}.Bytes()
	e, err := stdelf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	parse := func(change func(b []byte)) *elf.File {
		t.Helper()
		b := bytes.Clone(image)
		change(b)
		f, err := elf.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	names, table, info := e.Section(".strtab"), e.Section(".symtab"), e.Section(".modinfo")
	f := parse(func(b []byte) { binary.LittleEndian.PutUint32(b[table.Offset+24:], uint32(names.Size)) })
	if list, err := f.Exports(); err != nil || len(list) != 1 || list[0].Name != "one" || list[0].HasCRC {
		t.Errorf("with a bad name of a symbol: %+v, %v", list, err)
	}
	f = parse(func(b []byte) { b[info.Offset+info.Size-1] = 'x' })
	if list, err := f.Modinfo(); err != nil || !strings.HasSuffix(list[len(list)-1], "x") {
		t.Errorf("without the last NUL: %q, %v", list, err)
	}
	// A signature that would begin before the section headers.
	signed := append(bytes.Clone(image), 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, byte(len(image)>>8), byte(len(image)))
	signed = append(signed, "~Module signature appended~\n"...)
	if f, err = elf.Parse(signed); err != nil {
		t.Fatal(err)
	}
	if out, err := f.Unversioned(true, true); err == nil {
		t.Errorf("Unversioned of a signature over all of the module: %d bytes", len(out))
	}
}

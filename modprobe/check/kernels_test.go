//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestTablesOfOtherKernels has modules with tables that the kernel at hand does not look at. Real kernels have judged
// the same in TestKinds.
func TestTablesOfOtherKernels(t *testing.T) {
	bar := kmodtest.Module{Name: "bar", Exports: []kmodtest.Export{{Name: "api", CRC: 7, GPL: true}}}
	with := func(change func(m *kmodtest.Module)) kmodtest.Module {
		m := bar
		m.Exports = slices.Clone(bar.Exports)
		change(&m)
		return m
	}
	user := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "api", CRC: 7}}}
	for _, tt := range []struct {
		name   string
		bar    kmodtest.Module
		change func(m *kmodtest.Module)
		errno  syscall.Errno
		taints string
		log    string
	}{
		{name: "extended versions alone, which it does not know", bar: bar, change: func(m *kmodtest.Module) { m.Versions = kmodtest.VersionsExtended }, taints: "FE",
			log: "m: module_layout: kernel tainted."},
		{name: "both tables of versions, one wrong", bar: bar, change: func(m *kmodtest.Module) {
			m.Versions = kmodtest.VersionsBoth
			m.Imports = []kmodtest.Import{layout, {Name: "api", CRC: 7, NoVersion: true}}
		}, errno: syscall.EINVAL, taints: "E", log: "m: no symbol version for api"},
		{name: "flags of exports, which it does not know", bar: with(func(m *kmodtest.Module) { m.FlagsTable = true }),
			change: func(m *kmodtest.Module) { m.License = "BSD" }, taints: "PE"},
		{name: "the same without flags", bar: bar, change: func(m *kmodtest.Module) { m.License = "BSD" }, errno: syscall.ENOENT, taints: "PE"},
		{name: "an export without a CRC", bar: with(func(m *kmodtest.Module) { m.Exports = []kmodtest.Export{{Name: "api", NoCRC: true}, {Name: "other"}} }),
			change: func(*kmodtest.Module) {}, errno: syscall.EINVAL, taints: "E", log: "m: disagrees about version of symbol api"},
		{name: "a weak import of a proprietary module's", bar: with(func(m *kmodtest.Module) { m.License, m.Exports[0].GPL = "BSD", false }), change: func(m *kmodtest.Module) {
			m.Imports = []kmodtest.Import{layout, {Name: "gpl", CRC: 2}, {Name: "api", CRC: 7, Weak: true}}
		}, taints: "E", log: "m: module using GPL-only symbols uses symbols api from proprietary module bar."},
	} {
		k := own()
		beside(k, tt.bar)
		m := user
		tt.change(&m)
		v := k.Check(kernel.ReadModule("m.ko", m.Bytes()), 0)
		taints := ""
		for _, t := range v.Taints {
			taints += t.Letter
		}
		if v.Errno != tt.errno || sortedLetters(taints) != sortedLetters(tt.taints) || tt.log != "" && !slices.Contains(v.Log, tt.log) {
			t.Errorf("%s: %v %v %q %q", tt.name, v.Outcome, v.Errno, taints, v.Log)
		}
	}
}

// TestLivepatchOnce says that a live patch taints only once.
func TestLivepatchOnce(t *testing.T) {
	k := own()
	m := kernel.ReadModule("m.ko", kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"livepatch=Y"}, Imports: []kmodtest.Import{layout}}.Bytes())
	const line = "m: tainting kernel with TAINT_LIVEPATCH"
	if v := k.Check(m, 0); !slices.Contains(v.Log, line) {
		t.Errorf("%q", v.Log)
	}
	k.Tainted = "K"
	if v := k.Check(m, 0); slices.Contains(v.Log, line) {
		t.Errorf("%q", v.Log)
	}
}

// TestDuplicateOfLoaded refuses what a module exports that is in the kernel, though the one that is judged does not
// need it.
func TestDuplicateOfLoaded(t *testing.T) {
	k := own()
	beside(k, kmodtest.Module{Name: "bar", Exports: []kmodtest.Export{{Name: "api", CRC: 7}}})
	m := kernel.ReadModule("m.ko", kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout}, Exports: []kmodtest.Export{{Name: "api", CRC: 7}}}.Bytes())
	if v := k.Check(m, 0); v.Outcome != check.LoadsTaints {
		t.Errorf("%v", v)
	}
	k.Present = func(name string) bool { return name == "bar" }
	if v := k.Check(m, 0); v.Errno != syscall.ENOEXEC || !slices.Contains(v.Log, "m: exports duplicate symbol api (owned by bar)") {
		t.Errorf("%+v", v)
	}
}

// TestSectionsNotLoaded takes the flag from sections that says that they are loaded.
func TestSectionsNotLoaded(t *testing.T) {
	unloaded := func(image []byte, name string) *kernel.Module {
		f, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == name })
		if i < 0 {
			t.Fatal("no", name)
		}
		image[int(binary.LittleEndian.Uint64(image[40:]))+64*i+8] &^= byte(elf.SHF_ALLOC)
		return kernel.ReadModule("m.ko", image)
	}
	m := kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout}, Exports: []kmodtest.Export{{Name: "plain", CRC: 7}}}
	if v := own().Check(unloaded(m.Bytes(), "__ksymtab"), 0); v.Outcome != check.LoadsTaints {
		t.Errorf("a table of exports: %+v", v) // of which nobody learns that it is a duplicate
	}
	m.Exports[0].Name = "api"
	v := own().Check(unloaded(m.Bytes(), ".text"), 0)
	if v.Outcome != check.Unknown || !strings.Contains(v.NotVerified[0], "a section that is not loaded") {
		t.Errorf("text: %+v", v)
	}
	m.FlagsTable = true
	k := own()
	k.Words, k.Features.Versions = check.WordsOf(check.TodaysWords()), kernel.No
	if v := k.Check(unloaded(m.Bytes(), "__kflagstab"), 0); v.Errno != syscall.ENOEXEC || !slices.Contains(v.Log, "m: no flags for exported symbols") {
		t.Errorf("flags: %+v", v)
	}
}

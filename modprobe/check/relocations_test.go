//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestRelocations judges changed relocations, which kernels refuse (TestTrials has the same), and damage that makes
// some kernels crash: that is UNKNOWN.
func TestRelocations(t *testing.T) {
	k := kernelOf(t, "6.12")
	tried := 0
	for _, m := range mutations(t, "6.12") {
		if !strings.Contains(m.name, "relocation") || m.flags != 0 {
			continue
		}
		tried++
		if v := k.Check(kernel.ReadModule(m.name, m.image), 0); v.Outcome != check.Fails || v.Errno != syscall.ENOEXEC {
			t.Errorf("%s: %+v", m.name, v)
		}
	}
	if tried != 7 {
		t.Errorf("%d were tried", tried)
	}
	e := &editor{t: t, plain: readModule(t, corpusModules(t, "6.12", func(name string) bool { return name == "mii" })[0])}
	var err error
	if e.f, err = elf.NewFile(bytes.NewReader(e.plain)); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const this = ".gnu.linkonce.this_module"
	e.with("relocations for section 0", func(b []byte) { le.PutUint32(e.section(b, ".rela.text")[44:], 0) })
	e.with("relocations for section 9999", func(b []byte) { le.PutUint32(e.section(b, ".rela.text")[44:], 9999) })
	e.with("a relocation outside", func(b []byte) { le.PutUint64(b[e.f.Section(".rela.text").Offset:], 1<<40) })
	e.with("struct module without content", func(b []byte) { le.PutUint32(e.section(b, this)[4:], uint32(elf.SHT_NOBITS)) })
	e.with("struct module of size 0", func(b []byte) { le.PutUint64(e.section(b, this)[32:], 0) })
	e.with("struct module read-only", func(b []byte) { le.PutUint64(e.section(b, this)[8:], uint64(elf.SHF_ALLOC)) })
	k = kernelOf(t, "6.12")
	k.Features.SizeCheck, k.Features.Signatures = kernel.No, kernel.No // as kernels of before do not look
	for _, m := range e.out {
		if v := k.Check(kernel.ReadModule(m.name, m.image), 0); v.Outcome == check.Loads || v.Outcome == check.LoadsTaints {
			t.Errorf("%s: %+v", m.name, v)
		}
	}
}

// TestExportNames judges tables of exports that nothing relocates: of addresses, as of user-mode Linux, which crashes
// of them, and of distances.
func TestExportNames(t *testing.T) {
	k := kernelOf(t, "6.12")
	e := &editor{t: t, plain: unsigned(readModule(t, corpusModules(t, "6.12", func(name string) bool { return name == "libarc4" })[0]))}
	var err error
	if e.f, err = elf.NewFile(bytes.NewReader(e.plain)); err != nil {
		t.Fatal(err)
	}
	name := "__ksymtab"
	if e.f.Section(name) == nil {
		name = "__ksymtab_gpl"
	}
	bare := func(align uint64) func(b []byte) {
		return func(b []byte) {
			binary.LittleEndian.PutUint32(e.section(b, ".rela"+name)[4:], uint32(elf.SHT_PROGBITS))
			binary.LittleEndian.PutUint64(e.section(b, name)[48:], align)
		}
	}
	for align, want := range map[uint64]check.Outcome{4: check.LoadsTaints, 8: check.Unknown} {
		v := k.Check(kernel.ReadModule("libarc4", e.with("bare", bare(align))), 0)
		if v.Outcome != want {
			t.Errorf("aligned to %d: %+v", align, v)
		}
	}
	if v := k.Check(kernel.ReadModule("libarc4", e.plain), 0); v.Outcome != check.LoadsTaints {
		t.Errorf("whole: %+v", v)
	}
}

// TestRelocationsOfKernels finds nothing wrong with the relocations of modules that are used everywhere.
func TestRelocationsOfKernels(t *testing.T) {
	for _, key := range []string{"6.1", "6.12", "7.2"} {
		k := kernelOf(t, key)
		files := corpusModules(t, key, func(string) bool { return true })
		for i := 0; i < len(files); i += 40 {
			v := k.Check(kernel.ReadModule(files[i], readModule(t, files[i])), 0)
			for _, f := range v.Findings {
				if strings.Contains(f.Text, "relocat") {
					t.Errorf("%s: %s", files[i], f.Text)
				}
			}
		}
	}
}

package elf_test

import (
	stdelf "debug/elf"
	"reflect"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestParams reads tables of parameters of machines of all kinds.
func TestParams(t *testing.T) {
	want := []elf.Param{
		{Name: "n", Ops: "param_ops_int"},
		{Name: "odd", Ops: "own", Own: true, Flags: elf.FlagUnsafe | elf.FlagHardware},
		{Name: "list", Ops: elf.ArrayOps, Max: 4, Elem: "param_ops_int"},
		{Name: "odds", Ops: elf.ArrayOps, Max: 3, Elem: "own"},
		{Name: "text", Ops: elf.StringOps, Max: 30},
	}
	m := kmodtest.Module{Name: "m"}
	for _, p := range want {
		m.Params = append(m.Params, kmodtest.Param{Name: p.Name, Type: "x", Ops: p.Ops, Max: p.Max, Elem: p.Elem, Flags: p.Flags})
	}
	m.Params = append(m.Params, kmodtest.Param{Name: "described", Type: "int"}) // and in no table
	for _, machine := range []struct {
		machine stdelf.Machine
		class   int
		big     bool
	}{{stdelf.EM_X86_64, 64, false}, {stdelf.EM_386, 32, false}, {stdelf.EM_S390, 64, true}, {stdelf.EM_MIPS, 64, false}, {stdelf.EM_ARM, 32, true}} {
		m.Machine, m.Class, m.Big = machine.machine, machine.class, machine.big
		f, err := elf.Parse(m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Params(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, %v; want %+v", machine.machine, got, err, want)
		}
	}
	f, err := elf.Parse(kmodtest.Module{Name: "m"}.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Params(); got != nil || err != nil {
		t.Errorf("without a table: %v, %v", got, err)
	}
}

// TestParamsDamaged changes every byte of a module with parameters: there is a table or an error, and no panic.
func TestParamsDamaged(t *testing.T) {
	m := kmodtest.Module{Name: "m", Params: []kmodtest.Param{
		{Name: "n", Ops: "param_ops_int"}, {Name: "list", Ops: elf.ArrayOps, Max: 4, Elem: "param_ops_int"},
	}}
	image := m.Bytes()
	failed := 0
	for i := range image {
		for _, x := range []byte{1, 0x80, 0xff} {
			image[i] ^= x
			if f, err := elf.Parse(image); err == nil {
				if _, err := f.Params(); err != nil {
					failed++
				}
			}
			image[i] ^= x
		}
	}
	if failed == 0 {
		t.Error("no damage was seen")
	}
}

package check_test

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestHostileModules reads modules that are larger than they look.
func TestHostileModules(t *testing.T) {
	long := bytes.Repeat([]byte("n"), 4<<20)
	parts := make([]kmodtest.Part, 60000)
	parts[len(parts)-1].Name = string(long) + "\x00.modinfo"
	sections := kmodtest.Program(stdelf.EM_X86_64, 0, long[:64], parts)
	sections[16] = 1 // a relocatable file
	shoff := binary.LittleEndian.Uint64(sections[40:])
	for i := 1; i < len(parts); i++ {
		binary.LittleEndian.PutUint32(sections[shoff+uint64(64*i):], uint32(len(parts)+i)) // all share the end of one name
	}
	table := make([]byte, 24)
	for range 1 << 17 {
		table = append(table, "\x01\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	}
	imports := kmodtest.Program(stdelf.EM_X86_64, 0, append(table, long...), []kmodtest.Part{{}, {Name: ".symtab", To: len(table)}, {Name: ".strtab", From: len(table), To: len(table) + len(long)}, {Name: ".shstrtab"}})
	imports[16] = 1
	symtab := imports[binary.LittleEndian.Uint64(imports[40:])+64:]
	symtab[4], symtab[40] = byte(stdelf.SHT_SYMTAB), 2
	for name, file := range map[string][]byte{"sections": sections, "imports": imports} {
		if _, err := elf.Parse(file); err != nil {
			t.Fatal(name, err)
		}
		n := kmodtest.Allocated(func() {
			if v := new(check.Target).Check(kernel.ReadModule("f", file), 0); v.Outcome == check.Loads {
				t.Errorf("%s: %v", name, v.Outcome)
			}
		})
		if n > 16*len(file) {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, n, len(file))
		}
	}
}

package check

import (
	"bytes"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
)

// moduleDebug reads a module's debugging information; nil if it has none, as once it was stripped, or none that is
// read.
func moduleDebug(image []byte) *types.Debug {
	f, err := elf.Parse(image)
	if err != nil {
		return nil
	}
	info := relocated(f, ".debug_info")
	if info == nil {
		return nil
	}
	d, err := types.ReadDebug(func(name string) []byte {
		switch s, ok := f.Section(name); {
		case name == ".debug_info":
			return info
		case !ok || s.Flags&compressed != 0:
			return nil
		case name == ".debug_str_offsets" || name == ".debug_addr":
			return relocated(f, name)
		}
		return f.Content(name)
	})
	if err != nil {
		return nil
	}
	return d
}

// compressed is the flag SHF_COMPRESSED.
const compressed = 1 << 11

// relocated returns a section with its relocations done, as far as debugging information has some: numbers of four or
// eight bytes that are an offset in another section. nil if that cannot be done. The standard library's debug/elf would
// do it, and expand compressed sections to whatever size they claim: a module may be hostile.
func relocated(f *elf.File, name string) []byte {
	target, ok := f.Section(name)
	if !ok || target.Flags&compressed != 0 || f.Class() != 64 {
		return nil
	}
	data := bytes.Clone(f.Content(name))
	symtab := f.Content(".symtab")
	for i := range f.Sections() {
		s := f.SectionAt(i)
		if s == nil || s.Type != shtRela || int(s.Info) != target.Index {
			continue
		}
		list, err := f.Data(s)
		if err != nil {
			return nil
		}
		for ; len(list) >= 24; list = list[24:] {
			if !relocate(f, data, list[:24], symtab) {
				return nil
			}
		}
	}
	return data
}

// relocate does one relocation.
func relocate(f *elf.File, data, rela, symtab []byte) bool {
	order := f.ByteOrder()
	off, typ, sym := order.Uint64(rela), order.Uint32(rela[8:]), uint64(order.Uint32(rela[12:]))
	width := uint64(0)
	switch f.Machine() {
	case kernel.EMX8664:
		width = map[uint32]uint64{1: 8, 10: 4}[typ]
	case kernel.EMAARCH64:
		width = map[uint32]uint64{257: 8, 258: 4}[typ]
	}
	size := uint64(len(data))
	if width == 0 || off > size || width > size-off || sym >= uint64(len(symtab))/24 {
		return false
	}
	value := order.Uint64(symtab[sym*24+8:]) + order.Uint64(rela[16:])
	if width == 8 {
		order.PutUint64(data[off:], value)
	} else {
		order.PutUint32(data[off:], uint32(value))
	}
	return true
}

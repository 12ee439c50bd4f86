package kmodtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
)

// A Part is a section of a program: a part of its image.
type Part struct {
	Name string // such as .rodata
	From int    // its first byte in the image
	To   int    // the byte after its last
}

// Program makes a 64-bit little-endian ELF file of an image. The first section is none, the last holds the names.
func Program(machine elf.Machine, base uint64, image []byte, sections []Part) []byte {
	var names []byte
	var headers bytes.Buffer
	const head = 64
	for i, p := range sections {
		h := elf.Section64{Name: uint32(len(names)), Type: uint32(elf.SHT_PROGBITS),
			Flags: uint64(elf.SHF_ALLOC),
			Addr:  base + uint64(p.From), Off: uint64(head + p.From), Size: uint64(p.To - p.From)}
		names = append(append(names, p.Name...), 0)
		switch i {
		case 0:
			h = elf.Section64{}
		case len(sections) - 1:
			h = elf.Section64{Name: h.Name, Type: uint32(elf.SHT_STRTAB), Off: uint64(head + len(image)),
				Size: uint64(len(names))}
		}
		binary.Write(&headers, binary.LittleEndian, h)
	}
	var out bytes.Buffer
	binary.Write(&out, binary.LittleEndian, elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1},
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1,
		Shoff: uint64(head + len(image) + len(names)), Ehsize: head, Shentsize: 64,
		Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)})
	return slices.Concat(out.Bytes(), image, names, headers.Bytes())
}

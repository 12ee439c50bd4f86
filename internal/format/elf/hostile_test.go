package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// hostile is a file that is made up while it is read, so that it can be large: parts at offsets, and zeros.
type hostile struct {
	parts map[int64][]byte
	size  int64
	read  int64 // bytes read
}

// ReadAt implements io.ReaderAt.
func (h *hostile) ReadAt(b []byte, off int64) (int, error) {
	h.read += int64(len(b))
	if off+int64(len(b)) > h.size {
		return 0, io.ErrUnexpectedEOF
	}
	clear(b)
	for at, part := range h.parts {
		if at < off+int64(len(b)) && off < at+int64(len(part)) {
			copy(b[max(at-off, 0):], part[max(off-at, 0):])
		}
	}
	return len(b), nil
}

// add puts a part at the end.
func (h *hostile) add(part []byte) (off, size uint64) {
	at := h.size
	h.parts[at] = part
	h.size += int64(len(part))
	return uint64(at), uint64(len(part))
}

// hostileNames are the names of sections of a hostile file.
const hostileNames = "\x00.shstrtab\x00.strtab\x00.symtab\x00.gnu.linkonce.this_module\x00"

// newHostile makes a module of zeros, a symbol table, its strings, and sections of which those without a size are all
// of that. The strings begin hostileNames behind the zeros.
func newHostile(symbols []stdelf.Sym64, strs []byte, sections []stdelf.Section64, hole int64) *hostile {
	h := &hostile{parts: map[int64][]byte{}, size: 64 + hole}
	name := func(s string) uint32 { return uint32(strings.Index(hostileNames, s)) }
	var table bytes.Buffer
	binary.Write(&table, binary.LittleEndian, symbols)
	headers := []stdelf.Section64{{}, {Name: name(".shstrtab")}, {Name: name(".strtab")}, {Name: name(".symtab")}}
	for i, part := range [][]byte{1: []byte(hostileNames), 2: strs, 3: table.Bytes()} {
		if i > 0 {
			headers[i].Off, headers[i].Size = h.add(part)
		}
	}
	for _, s := range sections {
		s.Name = name(".gnu")
		if s.Size == 0 {
			s.Size = uint64(h.size)
		}
		headers = append(headers, s)
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, headers)
	shoff, _ := h.add(b.Bytes())
	header := stdelf.Header64{Type: 1, Machine: uint16(stdelf.EM_X86_64), Version: 1, Shoff: shoff, Ehsize: 64, Shentsize: 64, Shnum: uint16(len(headers)), Shstrndx: 1}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	b.Reset()
	binary.Write(&b, binary.LittleEndian, header)
	h.parts[0] = bytes.Clone(b.Bytes())
	return h
}

// counter is a Linker that counts.
type counter struct{ names, bytes int }

// Export implements elf.Linker.
func (c *counter) Export(name []byte, _ uint64) { c.names, c.bytes = c.names+1, c.bytes+len(name) }

// Undefined implements elf.Linker.
func (c *counter) Undefined(name []byte, _ bool) { c.names, c.bytes = c.names+1, c.bytes+len(name) }

// Version implements elf.Linker.
func (c *counter) Version(name []byte, _ uint64) { c.names, c.bytes = c.names+1, c.bytes+len(name) }

// TestHostile has modules that make a reader read, or give away, the same parts of them again and again. What is read
// and allocated is in proportion to the file.
func TestHostile(t *testing.T) {
	const hole = 8 << 20
	crcs := []stdelf.Sym64{{}}
	for i := range 4000 {
		crcs = append(crcs, stdelf.Sym64{Name: 1, Shndx: uint16(4 + i%2), Value: 64})
	}
	var imports, spaces, relocations []stdelf.Sym64
	imports = append(imports, stdelf.Sym64{})
	for i := range 100_000 {
		imports = append(imports, stdelf.Sym64{Name: uint32(1 + i)})
	}
	spaces = append(spaces, stdelf.Sym64{})
	long := append(bytes.Repeat([]byte("n"), 200_000), 0)
	table := bytes.NewBuffer(bytes.Clone(long))
	const inFile = 64 + uint64(len(hostileNames)) // where the table is
	for i := range 400 {
		at := table.Len()
		table.WriteString("\x00__crc_" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "\x00__kstrtabns_" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		spaces = append(spaces, stdelf.Sym64{Name: uint32(at + 1), Shndx: 4}, stdelf.Sym64{Name: uint32(at + 10), Shndx: 4, Value: inFile})
	}
	table.WriteByte(0)
	relocations = append(relocations, stdelf.Sym64{})
	for _, m := range []struct {
		name string
		file *hostile
	}{
		{"checksums in sections that overlap", newHostile(crcs, []byte("\x00__crc_a\x00"), []stdelf.Section64{{}, {Off: 1, Size: hole}}, hole)},
		{"names that overlap", newHostile(imports, append([]byte{0}, long...), nil, 0)},
		{"namespaces that overlap", newHostile(spaces, table.Bytes(), []stdelf.Section64{{}}, 0)},
		{"relocations that overlap", newHostile(relocations, []byte("\x00"), slicesOf(30_000, stdelf.Section64{Type: uint32(stdelf.SHT_RELA), Info: 4}), 1<<20)},
	} {
		image := make([]byte, m.file.size)
		if _, err := m.file.ReadAt(image, 0); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{"memory", "file"} {
			for what, do := range map[string]func(*elf.File){
				"Exports":     func(f *elf.File) { f.Exports() },
				"ExportTable": func(f *elf.File) { f.ExportTable() },
				"Imports":     func(f *elf.File) { f.Imports() },
				"ThisModule":  func(f *elf.File) { f.ThisModule() },
				"Link":        func(f *elf.File) { f.Link(new(counter)) },
			} {
				var f *elf.File
				var err error
				m.file.read = 0
				n := int64(kmodtest.Allocated(func() {
					if from == "memory" {
						f, err = elf.Parse(image)
					} else {
						f, err = elf.Open(m.file, m.file.size)
					}
					if err == nil {
						do(f)
					}
				}))
				if err != nil {
					t.Fatal(m.name, err)
				}
				if most := 64 * m.file.size; n > most || m.file.read > most {
					t.Errorf("%s of %s from %s: %d bytes read and %d allocated for a file of %d", what, m.name, from, m.file.read, n, m.file.size)
				}
			}
		}
	}
}

// slicesOf returns n copies of v.
func slicesOf[T any](n int, v T) (list []T) {
	for range n {
		list = append(list, v)
	}
	return list
}

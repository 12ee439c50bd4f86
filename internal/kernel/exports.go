package kernel

import (
	"encoding/binary"
	"errors"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// ErrNoExports reports that no export table was found in a boot image.
var ErrNoExports = errors.New("no export table found")

// A memory is what the kernel's addresses mean: pieces of the image and where they will lie.
type memory struct {
	order  binary.ByteOrder
	pieces []piece
	left   *int // steps that a search may still take; nil: nothing is searched
}

type piece struct {
	addr uint64
	data []byte
}

// at returns the bytes from addr to the end of its piece.
func (m *memory) at(addr uint64) []byte {
	for _, p := range m.pieces {
		if off := addr - p.addr; off < uint64(len(p.data)) {
			return p.data[off:]
		}
	}
	return nil
}

// Bounds for images that were made to keep us busy.
const (
	maxName    = 512     // length of a symbol's or namespace's name: the kernel's own bound
	maxExports = 1 << 18 // symbols, 20 times what kernels have

	// maxSteps are the steps of a search: four bytes each that are looked at. Twelve passes over a kernel are a
	// tenth of that.
	maxSteps   = 1 << 30
	recordStep = 64 // steps for one record
)

// name reads an exported symbol's name: printable, not empty, ended by a zero byte.
func (m *memory) name(addr uint64) (string, bool) {
	b := m.at(addr)
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), i > 0
		}
		if c <= ' ' || c >= 0x7f || i > maxName {
			break
		}
	}
	return "", false
}

// A layout is the form of one record of __ksymtab.
type layout struct {
	relative bool // fields are 32-bit distances from themselves, not addresses
	word     int  // size of a field
	fields   int  // value, name and, from 5.4 on, namespace
}

func (l layout) size() int { return l.word * l.fields }

// layouts are all forms since 2.6, the usual first.
var layouts = [...]layout{{true, 4, 3}, {false, 8, 3}, {false, 4, 3}, {true, 4, 2}, {false, 8, 2}, {false, 4, 2}}

// field reads field i of the record at addr as an address; 0 is none.
func (m *memory) field(l layout, addr uint64, i int) (uint64, bool) {
	addr += uint64(i * l.word)
	b := m.at(addr)
	if len(b) < l.word {
		return 0, false
	}
	if l.word == 8 {
		return m.order.Uint64(b), true
	}
	v := m.order.Uint32(b)
	if !l.relative {
		return uint64(v), true
	}
	if v == 0 {
		return 0, true
	}
	return addr + uint64(int64(int32(v))), true
}

// spend takes steps away and tells whether that many were left.
func (m *memory) spend(steps int) bool {
	if *m.left < steps {
		*m.left = 0
		return false
	}
	*m.left -= steps
	return true
}

// record reads the export at addr, without owner and CRC.
func (m *memory) record(l layout, addr uint64) (s Symbol, ok bool) {
	if m.left != nil && !m.spend(recordStep) {
		return s, false
	}
	at, ok := m.field(l, addr, 1)
	if !ok || at == 0 {
		return s, false
	}
	if s.Name, ok = m.name(at); !ok {
		return s, false
	}
	if l.fields > 2 {
		if at, ok = m.field(l, addr, 2); !ok {
			return s, false
		}
		if b := m.at(at); at != 0 && len(b) == 0 {
			return s, false
		} else if at != 0 && b[0] != 0 {
			if s.Namespace, ok = m.name(at); !ok {
				return s, false
			}
		}
	}
	s.Owner = Core
	return s, true
}

// records reads the n exports from addr on.
func (m *memory) records(l layout, addr uint64, n int) ([]Symbol, bool) {
	if n > maxExports {
		return nil, false
	}
	var out []Symbol
	for i := range n {
		s, ok := m.record(l, addr+uint64(i*l.size()))
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// versions gives symbols their CRCs from a table of theirs: one 32-bit value each, a whole word each (up to 4.10), or
// the distance to a 32-bit value elsewhere (powerpc and s390 from 4.11 to 5.18).
func (m *memory) versions(symbols []Symbol, table []byte, addr uint64, relative bool) bool {
	if len(symbols) == 0 {
		return true
	}
	width := len(table) / len(symbols)
	if width != 4 && width != 8 || width*len(symbols) != len(table) {
		return false
	}
	for i := range symbols {
		b := table[i*width:]
		v := m.order.Uint32(b)
		switch {
		case relative:
			if b = m.at(addr + uint64(i*width) + uint64(int64(int32(v)))); len(b) < 4 {
				return false
			}
			v = m.order.Uint32(b)
		case width == 8 && m.order == binary.ByteOrder(binary.BigEndian):
			v = m.order.Uint32(b[4:])
		}
		symbols[i].CRC, symbols[i].HasCRC = v, v != 0
	}
	return true
}

// mayBeDistances tells whether kernels for a machine had distances to CRCs in their version tables (from 4.11 to 5.18).
func mayBeDistances(machine uint16) bool {
	return machine == emPPC || machine == EMPPC64 || machine == emS390
}

// anyVersions gives symbols their CRCs from a table of values or of distances. It is of distances when each leads
// into what is known of the memory: CRCs, taken for distances, do not. It is false for distances to where nothing is
// known.
func (m *memory) anyVersions(symbols []Symbol, table []byte, addr uint64, distances bool) bool {
	if !distances {
		return m.versions(symbols, table, addr, false)
	}
	const few, near = 16, 1 << 26 // of so many CRCs one is surely larger than any distance in a kernel
	short := len(symbols) >= few
	for at := 0; at+4 <= len(table) && short; at += 4 {
		short = int32(m.order.Uint32(table[at:])) < near && int32(m.order.Uint32(table[at:])) > -near
	}
	return m.versions(symbols, table, addr, true) || !short && m.versions(symbols, table, addr, false)
}

// exportSections are the tables in their fixed order, with the flag whether their symbols are for GPL modules only.
var exportSections = [...]struct {
	suffix string
	gpl    bool
}{{"", false}, {"_gpl", true}, {"_unused", false}, {"_unused_gpl", true}, {"_gpl_future", false}}

// elfExports reads the tables of a kernel image that is an ELF file with section names.
func elfExports(f *elf.File) ([]Symbol, error) {
	m := &memory{order: f.ByteOrder()}
	sections := map[string]*elf.Section{}
	for _, n := range []string{"__ksymtab_strings", ".rodata", "__kflagstab"} {
		m.addSection(f, n, sections)
	}
	for _, e := range exportSections {
		m.addSection(f, "__ksymtab"+e.suffix, sections)
		m.addSection(f, "__kcrctab"+e.suffix, sections)
	}
	var all []Symbol
	for _, e := range exportSections {
		tab := sections["__ksymtab"+e.suffix]
		if tab == nil || tab.Size == 0 {
			continue
		}
		symbols, ok := m.anyLayout(tab.Addr, int(tab.Size), f.Class() == 64)
		if !ok {
			return nil, &elf.FormatError{Off: int64(tab.Off), What: "export table __ksymtab" + e.suffix +
				" does not lead to names"}
		}
		for i := range symbols {
			symbols[i].GPL = e.gpl
		}
		if crc := sections["__kcrctab"+e.suffix]; crc != nil && crc.Size != 0 {
			if !m.anyVersions(symbols, m.at(crc.Addr)[:crc.Size], crc.Addr, mayBeDistances(f.Machine())) {
				return nil, &elf.FormatError{Off: int64(crc.Off), What: "version table __kcrctab" +
					e.suffix + " does not fit its export table"}
			}
		}
		if flags := sections["__kflagstab"]; flags != nil && e.suffix == "" &&
			flags.Size >= uint64(len(symbols)) {
			for i, b := range m.at(flags.Addr)[:len(symbols)] {
				symbols[i].GPL = b&1 != 0
			}
		}
		all = append(all, symbols...)
	}
	if len(all) == 0 {
		return nil, ErrNoExports
	}
	return all, nil
}

func (m *memory) addSection(f *elf.File, name string, sections map[string]*elf.Section) {
	s, ok := f.Section(name)
	if !ok {
		return
	}
	if data, err := f.Data(s); err == nil && uint64(len(data)) == s.Size {
		sections[name] = s
		m.pieces = append(m.pieces, piece{s.Addr, data})
	}
}

// anyLayout reads a table of size bytes in the first form that fits all of it.
func (m *memory) anyLayout(addr uint64, size int, wide bool) ([]Symbol, bool) {
	for _, l := range layouts {
		if !l.relative && (l.word == 8) != wide || size%l.size() != 0 {
			continue
		}
		if symbols, ok := m.records(l, addr, size/l.size()); ok {
			return symbols, true
		}
	}
	return nil, false
}

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// ErrNoExports says that no export table was found in a boot image.
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
	maxSteps   = 1 << 30 // of a search: four bytes that are looked at. Twelve passes over a kernel are a tenth of that
	recordStep = 64      // steps for one record
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
			return nil, &elf.FormatError{Off: int64(tab.Off), What: "export table __ksymtab" + e.suffix + " does not lead to names"}
		}
		for i := range symbols {
			symbols[i].GPL = e.gpl
		}
		if crc := sections["__kcrctab"+e.suffix]; crc != nil && crc.Size != 0 {
			if !m.anyVersions(symbols, m.at(crc.Addr)[:crc.Size], crc.Addr, mayBeDistances(f.Machine())) {
				return nil, &elf.FormatError{Off: int64(crc.Off), What: "version table __kcrctab" + e.suffix + " does not fit its export table"}
			}
		}
		if flags := sections["__kflagstab"]; flags != nil && e.suffix == "" && flags.Size >= uint64(len(symbols)) {
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

// rawExports finds the tables in an image without section names. It starts from the string module_layout, which every
// kernel with modules exports, finds the record that leads to it, and walks from there: records are sorted by name, the
// tables follow each other, then come their CRCs. known, if not 0, is the CRC that module_layout must have. left is
// how many steps it may take.
func rawExports(image []byte, known uint32, left *int) ([]Symbol, error) {
	const anchor = "\x00" + LayoutSymbol + "\x00"
	for off, tries := 0, 0; tries < 16; tries++ {
		i := bytes.Index(image[off:], []byte(anchor))
		if i < 0 {
			break
		}
		off += i + 1
		for _, l := range layouts {
			for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
				m := &memory{order: order, pieces: []piece{{0, image}}, left: left}
				if symbols := m.walkFrom(l, uint64(off), known); symbols != nil {
					return symbols, nil
				}
			}
		}
	}
	return nil, ErrNoExports
}

// walkFrom looks for a record whose name is the string at offset str and reads the tables around it.
func (m *memory) walkFrom(l layout, str uint64, known uint32) []Symbol {
	image := m.pieces[0].data
	if !m.spend(len(image) / 4) {
		return nil
	}
	for tries, from := 0, uint64(0); tries < 64; tries++ {
		at, base, ok := m.reference(l, from, str)
		if !ok {
			return nil
		}
		from = at + uint64(l.word) - base
		m.pieces[0].addr = base
		symbols, end := m.tables(l, at-uint64(l.word))
		if len(symbols) > 50 && m.rawVersions(symbols, end, known) {
			return symbols
		}
		m.pieces[0].addr = 0
		if from >= uint64(len(image)) {
			break
		}
	}
	return nil
}

// reference finds, from offset from on, a field that leads to the string at offset str. It returns the field's
// address and the address of the image's first byte that this supposes: for absolute fields, where the distance is
// whole pages.
func (m *memory) reference(l layout, from, str uint64) (at, base uint64, ok bool) {
	image := m.pieces[0].data
	switch {
	case l.relative:
		for i := from; i+4 <= uint64(len(image)); i += 4 {
			if i+uint64(int64(int32(m.order.Uint32(image[i:])))) == str {
				return i, 0, true
			}
		}
	case l.word == 8:
		for i := from; i+8 <= uint64(len(image)); i += 8 {
			if w := m.order.Uint64(image[i:]); (w-str)&0xfff == 0 && w != 0 && m.plausible(l, i, w-str) {
				return i + w - str, w - str, true
			}
		}
	default:
		for i := from; i+4 <= uint64(len(image)); i += 4 {
			if w := m.order.Uint32(image[i:]); (w-uint32(str))&0xfff == 0 && w != 0 && m.plausible(l, i, uint64(w-uint32(str))) {
				return i + uint64(w-uint32(str)), uint64(w - uint32(str)), true
			}
		}
	}
	return 0, 0, false
}

// plausible tries whether the records before and after the one whose name field is at offset i have names, in order.
func (m *memory) plausible(l layout, i, base uint64) bool {
	if i < uint64(2*l.size()) {
		return false
	}
	try := memory{order: m.order, pieces: []piece{{base, m.pieces[0].data}}, left: m.left}
	at := base + i - uint64(l.word)
	before, ok1 := try.record(l, at-uint64(l.size()))
	after, ok2 := try.record(l, at+uint64(l.size()))
	return ok1 && ok2 && before.Name < LayoutSymbol && after.Name > LayoutSymbol
}

// tables reads every record around the one at addr. Where the order of names starts anew, the next table starts: the
// first is for all modules, the second for GPL modules.
func (m *memory) tables(l layout, addr uint64) (symbols []Symbol, end uint64) {
	step := uint64(l.size())
	first, next := addr, ""
	for {
		s, ok := m.record(l, first)
		if !ok || next != "" && s.Name >= next {
			first += step
			break
		}
		next = s.Name
		if first-step > first {
			break
		}
		first -= step
	}
	table, last := 0, ""
	for at := first; ; at += step {
		s, ok := m.record(l, at)
		if !ok || len(symbols) == maxExports {
			return symbols, at
		}
		if s.Name <= last {
			if table++; table >= len(exportSections) {
				return symbols, at
			}
		}
		last = s.Name
		s.GPL = exportSections[table].gpl
		symbols = append(symbols, s)
	}
}

// rawVersions reads the CRCs that follow the tables at end. Where they would reach into the names there are none.
// Without sections nothing tells the machine: they may be distances.
func (m *memory) rawVersions(symbols []Symbol, end uint64, known uint32) bool {
	b := m.at(end)
	for _, try := range []struct {
		width    int
		relative bool
	}{{4, true}, {4, false}, {8, false}} {
		n := try.width * len(symbols)
		if n > len(b) || m.nameWithin(symbols[0].Name, b[:n]) {
			break
		}
		if !m.versions(symbols, b[:n], end, try.relative) {
			continue
		}
		for _, s := range symbols {
			if s.Name == LayoutSymbol && s.HasCRC && (known == 0 || s.CRC == known) {
				return true
			}
		}
	}
	for i := range symbols {
		symbols[i].CRC, symbols[i].HasCRC = 0, false
	}
	return known == 0
}

// nameWithin tells whether b holds a string, so that it is no table of CRCs.
func (m *memory) nameWithin(name string, b []byte) bool {
	return bytes.Contains(b, append([]byte(name), 0))
}

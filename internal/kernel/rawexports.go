package kernel

import (
	"bytes"
	"encoding/binary"
)

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
			if w := m.order.Uint32(image[i:]); (w-uint32(str))&0xfff == 0 && w != 0 &&
				m.plausible(l, i, uint64(w-uint32(str))) {
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

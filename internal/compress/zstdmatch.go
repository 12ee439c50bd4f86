package compress

import "encoding/binary"

// A matcher finds what of data came before. Positions are kept in rows, by a hash of the five bytes there, the last one
// first. Each comes with a part of the hash, so that few are looked at in vain. Shorter matches, which must be near to be worth
// anything, are found by a table for four bytes.
type matcher struct {
	data []byte
	next int                               // the first position that is not entered
	rows [1 << rowBits][rowSize / 2]uint64 // two in each, the later one in the lower half: position, and tagBits of the hash
	near [1 << shortBits]uint32            // position
}

const (
	rowBits   = 16
	rowSize   = 4
	tagBits   = 8
	shortBits = 14
	shortFar  = 1 << 14 // a match of four bytes that is farther away saves nothing
	lookAhead = 8       // bytes that must be there behind a position
)

// A match is what comes again, and about how many quarters of a bit that saves.
type match struct{ length, dist, saves int }

// reset forgets all and enters what comes before start.
func (m *matcher) reset(data []byte, start int) {
	clear(m.rows[:])
	clear(m.near[:])
	m.data, m.next = data, 0
	m.enter(start)
}

// hash5 is a hash of the five lowest bytes, of rowBits and tagBits.
func hash5(v uint64) uint32 { return uint32(v << 24 * 0x9e3779b185ebca87 >> (64 - rowBits - tagBits)) }

func hash4(v uint64) uint32 { return uint32(v) * 0x9e3779b1 >> (32 - shortBits) }

// enter enters the positions before i, of many that come at once, in a match, every other one.
func (m *matcher) enter(i int) {
	for i = min(i, len(m.data)-lookAhead); m.next < i; {
		v := binary.LittleEndian.Uint64(m.data[m.next:])
		h := hash5(v)
		row := &m.rows[h>>tagBits]
		row[1] = row[1]<<32 | row[0]>>32
		row[0] = row[0]<<32 | uint64(m.next)<<tagBits | uint64(uint8(h))
		m.near[hash4(v)] = uint32(m.next)
		m.next++
		if i-m.next > 8 {
			m.next++
		}
	}
}

// search returns the match for position i that saves most, and does not go beyond end. Positions are asked for in ascending order, but
// for the last few.
func (m *matcher) search(i, end int) (best match) {
	if len(m.data)-i < lookAhead {
		return best
	}
	m.enter(i)
	here := m.data[i:end]
	v := binary.LittleEndian.Uint64(m.data[i:])
	if d := i - int(m.near[hash4(v)]); d > 0 && d < shortFar && uint32(v) == binary.LittleEndian.Uint32(m.data[i-d:]) {
		n := common(here, m.data[i-d:])
		best = match{n, d, gain(n, d)}
	}
	h := hash5(v)
	tag := uint8(h)
	row := &m.rows[h>>tagBits]
	for k := range rowSize {
		e := uint32(row[k/2] >> (k % 2 * 32))
		if uint8(e) != tag {
			continue
		}
		d := i - int(e>>tagBits)
		if d <= 0 || d > windowSize || best.length == len(here) {
			break
		}
		there := m.data[i-d:]
		if there[best.length] != here[best.length] {
			continue
		}
		if n := common(here, there); n >= 4 && n > best.length {
			if g := gain(n, d); g > best.saves {
				best = match{n, d, g}
			}
		}
	}
	best.saves = max(best.saves, 0)
	return best
}

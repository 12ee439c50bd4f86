package index

import (
	"cmp"
	"slices"
)

// sort returns the entries in the order of the file: by key, by priority, and of equal priorities the newest first.
func (b *Builder) sort() []place {
	if b.sorted == nil {
		b.sorted = make([]place, len(b.entries))
		for i := range b.sorted {
			b.sorted[i].number = uint32(i)
		}
		b.sortPlaces(b.sorted, 0)
	}
	return b.sorted
}

// place is the number of an entry, and a part of its key, by which it is sorted: keys begin alike so often that to compare
// them whole would mostly be to compare what is known to be equal.
type place struct {
	part   uint64
	number uint32
}

// at returns the entry at a place.
func (b *Builder) at(p place) *entry { return &b.entries[p.number] }

// partSize is how many bytes of a key are in a part.
const partSize = 8

// sortPlaces sorts entries whose keys are equal in the first depth bytes.
func (b *Builder) sortPlaces(places []place, depth int) {
	for ; len(places) > 1; depth += partSize {
		first, same := b.load(&places[0], depth), true
		for i := 1; i < len(places); i++ {
			if b.load(&places[i], depth) != first {
				same = false
			}
		}
		if same && !places[0].ends() {
			continue
		}
		if !same {
			slices.SortFunc(places, func(x, y place) int { return cmp.Compare(x.part, y.part) })
		}
		for len(places) > 0 {
			n := 1
			for n < len(places) && places[n].part == places[0].part {
				n++
			}
			if places[0].ends() {
				b.sortValues(places[:n])
			} else {
				b.sortPlaces(places[:n], depth+partSize)
			}
			places = places[n:]
		}
	}
}

// sortValues sorts entries of the same key.
func (b *Builder) sortValues(places []place) {
	slices.SortFunc(places, func(x, y place) int {
		if p, q := b.at(x).priority, b.at(y).priority; p != q {
			return cmp.Compare(p, q)
		}
		return cmp.Compare(y.number, x.number)
	})
}

// load sets and returns the part of the key at depth, filled up with NULs, as a number that compares as it does.
func (b *Builder) load(p *place, depth int) uint64 {
	s := b.at(*p).key
	s = s[min(depth, len(s)):]
	if len(s) >= partSize {
		p.part = uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
			uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
		return p.part
	}
	p.part = 0
	for i := range len(s) {
		p.part |= uint64(s[i]) << (56 - 8*i)
	}
	return p.part
}

// ends reports whether the key ends in the part: no key has a NUL.
func (p *place) ends() bool { return byte(p.part) == 0 }

//go:build !kmod_noxz

package compress

import (
	"encoding/binary"
	"math"
)

// FirstLZMA expands the .lzma file that src begins with, the format before xz, and ignores what follows it. Modules are
// never packed so, some boot images are. hint and limit are those of [First].
func FirstLZMA(src []byte, hint int, limit int64) ([]byte, error) {
	const (
		header  = 13 // parameters, size of the dictionary, size of the content
		unknown = math.MaxUint64
	)
	d := xzs.Get().(*lzma)
	defer xzs.Put(d)
	if len(src) < header+5 || !d.props(src[0]) || src[header] != 0 {
		return nil, errCorrupt
	}
	d.reset()
	d.dict, d.base, d.pos = max(binary.LittleEndian.Uint32(src[1:]), 1<<12), 0, 0
	size := binary.LittleEndian.Uint64(src[5:])
	room := max(int64(hint), 1<<16)
	if size != unknown {
		if size > uint64(limit) {
			return nil, ErrTooLarge
		}
		room = int64(backed(size, len(src), limit))
	}
	n := len(src) - header
	in := d.input(src[header:], n)
	c := coder{1<<32 - 1, uint(binary.BigEndian.Uint32(in[1:])), 5}
	defer func() { d.out = nil }()
	for {
		// A match that begins before end may go on behind it.
		end, most := int(min(room, limit+1)), 0
		if most = end + matchMax; size != unknown {
			most = min(most, int(size))
			end = min(end, most)
		}
		out := make([]byte, end+matchMax+copySlack)
		copy(out, d.out[:d.pos])
		d.out = out
		var ok bool
		if c, ok = d.symbols(c, in, n, end, most); !ok {
			if d.rep[0] == endMark && size == unknown && c.pos <= n && int64(d.pos) <= limit {
				return out[:d.pos], nil
			}
			return nil, errCorrupt
		}
		switch {
		case int64(d.pos) > limit:
			return nil, ErrTooLarge
		case uint64(d.pos) == size:
			return out[:d.pos], nil
		}
		room *= 2
	}
}

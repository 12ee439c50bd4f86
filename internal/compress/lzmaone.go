//go:build !kmod_noxz

package compress

import (
	"encoding/binary"
	"math"
)

// FirstLZMA expands the .lzma file that src begins with, the format before xz, and ignores what follows it. Modules are never
// packed so, some boot images are. hint, limit and work are those of [First].
func FirstLZMA(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	d := xzs.Get().(*lzma)
	defer xzs.Put(d)
	d.pos = 0
	read, err := d.alone(src, hint, limit)
	work = int64(read) + int64(d.pos)
	if err == nil {
		out = d.out[:d.pos]
	}
	d.out = nil
	return out, work, err
}

// alone decodes an .lzma file into out, up to pos, and returns how much of src it has read.
func (d *lzma) alone(src []byte, hint int, limit int64) (read int, err error) {
	const (
		header  = 13 // parameters, size of the dictionary, size of the content
		unknown = math.MaxUint64
	)
	if len(src) < header+5 || !d.props(src[0]) || src[header] != 0 {
		return 0, errCorrupt
	}
	d.reset()
	d.dict, d.base = max(binary.LittleEndian.Uint32(src[1:]), 1<<12), 0
	size := binary.LittleEndian.Uint64(src[5:])
	room := max(int64(hint), 1<<16)
	if size != unknown {
		if size > uint64(limit) {
			return 0, ErrTooLarge
		}
		room = int64(backed(size, len(src), limit))
	}
	n := len(src) - header
	in := d.input(src[header:], n)
	c := coder{1<<32 - 1, uint(binary.BigEndian.Uint32(in[1:])), 5}
	for {
		// A match that begins before end may go on behind it.
		end := int(min(room, limit+1))
		most := end + matchMax
		if size != unknown {
			end, most = min(end, int(size)), min(most, int(size))
		}
		out := make([]byte, end+matchMax+copySlack)
		copy(out, d.out[:d.pos])
		d.out = out
		var ok bool
		if c, ok = d.symbols(c, in, n, end, most); !ok {
			if d.rep[0] == endMark && size == unknown && c.pos <= n && int64(d.pos) <= limit {
				return c.pos, nil
			}
			return c.pos, errCorrupt
		}
		switch {
		case int64(d.pos) > limit:
			return c.pos, ErrTooLarge
		case uint64(d.pos) == size:
			return c.pos, nil
		}
		room *= 2
	}
}

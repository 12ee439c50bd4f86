//go:build !kmod_noxz

package compress

import "encoding/binary"

// lzma2 decodes the LZMA2 data at the start of src, appending to dst, and
// returns how many bytes of src that took. Matches reach into what it has
// appended, at most dict bytes back. At most limit bytes may be in dst.
func (d *lzma) lzma2(dst, src []byte, dict uint32, limit int64) (out []byte, n int, err error) {
	const (
		copyReset   = 0x01 // bytes as they are, after forgetting the dictionary
		copyKeep    = 0x02 // bytes as they are
		compressed  = 0x80 // from here on: LZMA
		stateReset  = 0xa0 // from here on: after resetting the models
		newProps    = 0xc0 // from here on: with new parameters
		dictReset   = 0xe0 // from here on: after forgetting the dictionary
		sizeInFlags = 0x1f
	)
	d.dict, d.base = dict, len(dst)
	needDict, needProps := true, true
	for {
		if n >= len(src) {
			return nil, n, errTruncated
		}
		d.pos = len(dst)
		control := src[n]
		n++
		if control == 0 {
			return dst, n, nil
		}
		switch {
		case control >= dictReset || control == copyReset:
			needDict, needProps = false, true
			d.base = len(dst)
		case needDict:
			return nil, n, errCorrupt
		}
		head := 2
		if control >= newProps {
			head = 5
		} else if control >= compressed {
			head = 4
		} else if control > copyKeep {
			return nil, n, errCorrupt
		}
		if len(src)-n < head {
			return nil, n, errTruncated
		}
		size := int(binary.BigEndian.Uint16(src[n:])) + 1
		stored := size
		if control >= compressed {
			size += int(control&sizeInFlags) << 16
			stored = int(binary.BigEndian.Uint16(src[n+2:])) + 1
		}
		if int64(size) > limit-int64(len(dst)) {
			return nil, n, ErrTooLarge
		}
		if control >= newProps {
			if !d.props(src[n+4]) {
				return nil, n, errCorrupt
			}
			needProps = false
		} else if control >= compressed && needProps {
			return nil, n, errCorrupt
		}
		n += head
		if len(src)-n < stored {
			return nil, len(src), errTruncated
		}
		if cap(dst)-len(dst) < size+copySlack {
			dst = grow(dst, max(size, min(len(dst), int(limit)-len(dst)))+copySlack)
		}
		if control < compressed {
			dst = append(dst, src[n:][:stored]...)
			n += stored
			continue
		}
		if control >= stateReset {
			d.reset()
		}
		d.out, d.pos = dst[:cap(dst)], len(dst)
		ok := d.chunk(d.input(src[n:], stored), stored, size)
		d.out = nil
		if !ok {
			return nil, n, errCorrupt
		}
		dst = dst[:len(dst)+size]
		n += stored
	}
}

// input returns the n bytes of a chunk at the start of src with inputSlack
// behind them.
func (d *lzma) input(src []byte, n int) []byte {
	if len(src)-n >= inputSlack {
		return src
	}
	padded := make([]byte, n+inputSlack)
	copy(padded, src[:n])
	return padded
}

package xz

import "encoding/binary"

// This file undoes xz's filters. Most are for programs: they turn the distances in calls and jumps into addresses, so
// that calls of one function look alike, and boot images are packed with the one of their machine. A filter works in
// place on all of a block, whose first byte is at address 0.

// A filter turns a block back into what was packed, in place.
type filter func(b []byte)

const xzDelta = 3

// xzFilter returns a filter for programs by its number in xz's format; nil for what is none. IA-64 and RISC-V are not
// known.
func xzFilter(number uint64) filter {
	switch number {
	case 4:
		return unfilterX86
	case 5:
		return unfilterPowerPC
	case 7:
		return unfilterARM
	case 8:
		return unfilterThumb
	case 9:
		return unfilterSPARC
	case 10:
		return unfilterARM64
	}
	return nil
}

// unfilterDelta undoes the filter that stores differences from the byte dist before.
func unfilterDelta(dist int) filter {
	return func(b []byte) {
		for i := dist; i < len(b); i++ {
			b[i] += b[i-dist]
		}
	}
}

// unfilterX86 undoes the filter for x86: after a call or a jump, 0xe8 or 0xe9, stands an address whose highest byte
// is 0 or 0xff. What looks like an opcode less than four bytes behind one that was left alone may be part of its
// operand.
func unfilterX86(b []byte) {
	left := uint32(0) // opcodes left alone: bit n for one n+1 bytes before last
	last := 0
	for i := nextCall(b, 0); i+5 <= len(b); i = nextCall(b, i) {
		if n := i - last; n < 4 {
			left = left << n & 7
		} else {
			left = 0
		}
		last = i
		// One opcode n bytes ago: its operand ends n bytes before ours does.
		n := uint(0)
		switch left {
		case 1, 2:
			n = uint(left)
		case 4:
			n = 3
		}
		if !isTop(b[i+4]) || left != 0 && (n == 0 || isTop(b[i+4-int(n)])) {
			left, last, i = left<<1|1, i+1, i+1
			continue
		}
		v := binary.LittleEndian.Uint32(b[i+1:])
		next := uint32(i + 5)
		dist := v - next
		if n > 0 && isTop(byte(dist>>(24-8*n))) {
			dist = dist ^ (1<<(32-8*n) - 1) - next
		}
		dist &= 1<<25 - 1
		dist |= -(dist & (1 << 24))
		binary.LittleEndian.PutUint32(b[i+1:], dist)
		left, last, i = 0, i+5, i+5
	}
}

// isTop reports whether a distance may end in this byte.
func isTop(c byte) bool { return c == 0 || c == 0xff }

// nextCall returns where the next byte 0xe8 or 0xe9 is, from i on, or len(b).
func nextCall(b []byte, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])&(0xfe*low) ^ 0xe8*low
		if (w-low)&^w&high != 0 {
			break
		}
	}
	for i < len(b) && b[i]&0xfe != 0xe8 {
		i++
	}
	return i
}

// unfilterARM undoes the filter for 32-bit ARM: the instruction bl.
func unfilterARM(b []byte) {
	for i := 0; i+4 <= len(b); i += 4 {
		if b[i+3] != 0xeb {
			continue
		}
		v := (binary.LittleEndian.Uint32(b[i:])<<2 - uint32(i+8)) >> 2
		b[i], b[i+1], b[i+2] = byte(v), byte(v>>8), byte(v>>16)
	}
}

// unfilterThumb undoes the filter for ARM's short instructions: a pair that makes a bl.
func unfilterThumb(b []byte) {
	for i := 0; i+4 <= len(b); i += 2 {
		if b[i+1]&0xf8 != 0xf0 || b[i+3]&0xf8 != 0xf8 {
			continue
		}
		v := uint32(b[i+1]&7)<<19 | uint32(b[i])<<11 | uint32(b[i+3]&7)<<8 | uint32(b[i+2])
		v = (v<<1 - uint32(i+4)) >> 1
		b[i], b[i+1], b[i+2], b[i+3] = byte(v>>11), 0xf0|byte(v>>19)&7, byte(v), 0xf8|byte(v>>8)&7
		i += 2
	}
}

// unfilterARM64 undoes the filter for 64-bit ARM: bl, and adrp of what is within 512 MiB.
func unfilterARM64(b []byte) {
	for i := 0; i+4 <= len(b); i += 4 {
		v := binary.LittleEndian.Uint32(b[i:])
		switch {
		case v>>26 == 0x25:
			v = 0x25<<26 | (v-uint32(i)>>2)&(1<<26-1)
		case v&0x9f000000 == 0x90000000:
			page := v>>29&3 | v>>3&0x1ffffc
			if (page+0x20000)&0x1c0000 != 0 {
				continue
			}
			page -= uint32(i) >> 12
			v = v&0x9000001f | page&3<<29 | page&0x3fffc<<3 | -(page&0x20000)&0xe00000
		default:
			continue
		}
		binary.LittleEndian.PutUint32(b[i:], v)
	}
}

// unfilterPowerPC undoes the filter for big-endian PowerPC: the instruction bl.
func unfilterPowerPC(b []byte) {
	const mask, bl = 0xfc000003, 0x48000001
	for i := 0; i+4 <= len(b); i += 4 {
		if v := binary.BigEndian.Uint32(b[i:]); v&mask == bl {
			binary.BigEndian.PutUint32(b[i:], bl|(v-uint32(i))&^mask)
		}
	}
}

// unfilterSPARC undoes the filter for SPARC: calls of what is within 16 MiB.
func unfilterSPARC(b []byte) {
	for i := 0; i+4 <= len(b); i += 4 {
		v := binary.BigEndian.Uint32(b[i:])
		if top := v >> 22; top != 0x100 && top != 0x1ff {
			continue
		}
		v = (v<<2 - uint32(i)) >> 2
		v = (1<<30 - v&(1<<22)) | 1<<30 | v&(1<<22-1)
		binary.BigEndian.PutUint32(b[i:], v)
	}
}

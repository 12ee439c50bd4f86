package xz

// copySlack is how far behind a match the copying may write.
const copySlack = 16

// copyMatch copies n bytes from dist bytes before pos to pos, as if one at a
// time, and perhaps up to copySlack bytes more.
func copyMatch(out []byte, pos, dist, n int) {
	from, end := pos-dist, pos+n
	switch {
	case dist >= copySlack:
		for ; pos < end; pos, from = pos+copySlack, from+copySlack {
			copy(out[pos:pos+copySlack:pos+copySlack], out[from:from+copySlack:from+copySlack])
		}
	case n <= 2*copySlack:
		from, to := out[from:], out[pos:end]
		for i := range to {
			to[i] = from[i]
		}
	default:
		for pos < end { // twice as much each time
			pos += copy(out[pos:end], out[from:pos])
		}
	}
}

// backed is how many bytes may be allocated because a compressed file of n bytes claims to hold claim bytes: the claim,
// unless it is far beyond what modules compress to. Behind it a buffer grows only as data arrives.
func backed(claim uint64, n int, limit int64) int {
	most := max(min(64*int64(n)+1<<16, limit), 0)
	if claim < uint64(most) {
		return int(claim)
	}
	return int(most)
}

// grow returns b with room for n more bytes, unless b already has it.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	c := make([]byte, len(b), len(b)+n)
	copy(c, b)
	return c
}

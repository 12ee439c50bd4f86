package compress

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

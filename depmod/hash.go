package depmod

// hash is the hash function by which kmod orders modules that modules.order does not name, and symbols: Paul Hsieh's
// SuperFastHash, with 16-bit words read as little endian.
func hash(s string) uint32 {
	h := uint32(len(s))
	word := func(i int) uint32 { return uint32(s[i]) | uint32(s[i+1])<<8 }
	i := 0
	for ; len(s)-i >= 4; i += 4 {
		h += word(i)
		h = h<<16 ^ word(i+2)<<11 ^ h
		h += h >> 11
	}
	switch len(s) - i {
	case 3:
		h += word(i)
		h ^= h << 16
		h ^= uint32(int8(s[i+2])) << 18
		h += h >> 11
	case 2:
		h += word(i)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += uint32(int8(s[i]))
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}

// Numbers of buckets of kmod's tables, which give the order in which it goes through them.
const (
	moduleBuckets = 512
	symbolBuckets = 2048
)

package compress

import "bytes"

// BeyondKernel reports whether a compressed file is one that no kernel's own decompressor takes, though it is sound:
// an xz stream with another check than CRC32, a gzip header with more than a name, or more than one stream. What it
// is not sure about it does not report.
func BeyondKernel(data []byte) bool {
	switch Detect(data) {
	case Xz:
		const check, crc32 = 7, 1
		return len(data) > check && data[check] > crc32 || again(data, "\xfd7zXZ\x00")
	case Gzip:
		const flags, name = 3, 1 << 3
		return len(data) > flags && data[flags]&^name != 0
	case Zstd:
		return again(data, "\x28\xb5\x2f\xfd")
	}
	return false
}

// again reports whether the sign of a stream's beginning occurs once more.
func again(data []byte, sign string) bool {
	return len(data) > 1 && bytes.Contains(data[1:], []byte(sign))
}

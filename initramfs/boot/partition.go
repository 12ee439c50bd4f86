package boot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// partitionNames returns PARTUUID and PARTLABEL of the partition with that number, which begins at byte start of a
// disk of size bytes with blocks of that many bytes. The table is believed where it agrees with the kernel on where
// the partition begins.
func partitionNames(disk io.ReaderAt, size, block int64, number int, start int64) (uuid, label string) {
	if number < 1 || block < 512 || block > 64<<10 {
		return "", ""
	}
	for _, at := range [...]int64{block, size/block*block - block} { // the table, and its copy at the end
		if entry, ok := gptEntry(disk, at, block, number); ok && gptStart(entry, block) == start {
			return guid(entry[16:32]), utf16String(entry[56:128])
		}
	}
	var sector [512]byte
	if _, err := disk.ReadAt(sector[:], 0); err != nil || sector[510] != 0x55 || sector[511] != 0xaa {
		return "", ""
	}
	if signature := binary.LittleEndian.Uint32(sector[440:]); signature != 0 {
		return fmt.Sprintf("%08x-%02x", signature, number), ""
	}
	return "", ""
}

// gptEntry reads an entry of the table whose header is at that byte.
func gptEntry(disk io.ReaderAt, at, block int64, number int) (entry [128]byte, ok bool) {
	header := make([]byte, 512)
	if at <= 0 {
		return entry, false
	}
	if _, err := disk.ReadAt(header, at); err != nil || string(header[:8]) != "EFI PART" {
		return entry, false
	}
	length := binary.LittleEndian.Uint32(header[12:])
	if length < 92 || length > 512 {
		return entry, false
	}
	sum := binary.LittleEndian.Uint32(header[16:])
	clear(header[16:20])
	if crc32.ChecksumIEEE(header[:length]) != sum {
		return entry, false
	}
	first, count, size := binary.LittleEndian.Uint64(header[72:]), binary.LittleEndian.Uint32(header[80:]),
		binary.LittleEndian.Uint32(header[84:])
	if uint64(number) > uint64(count) || size < 128 || size > 4096 || first > 1<<40 {
		return entry, false
	}
	_, err := disk.ReadAt(entry[:], int64(first)*block+int64(number-1)*int64(size))
	return entry, err == nil
}

// gptStart is the byte where the partition of an entry begins, -1 for none.
func gptStart(entry [128]byte, block int64) int64 {
	first := binary.LittleEndian.Uint64(entry[32:])
	if first == 0 || first > 1<<40 {
		return -1
	}
	return int64(first) * block
}

// guid writes 16 bytes as EFI does: the first three numbers are little-endian.
func guid(b []byte) string {
	return dashed([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
		b[14], b[15]})
}

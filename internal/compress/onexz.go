//go:build !kmod_noxz

package compress

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// oneXz takes bytes up to the end of the stream and expands them. A stream ends at a multiple of four of its length,
// with a footer: checksum of the six bytes that follow, size, flags as in the header, "YZ". Should the like of one be
// in the data, the stream is found too short.
func oneXz(in *counter) (io.ReadCloser, error) {
	var src []byte
	var word [4]byte
	for !xzEnds(src) {
		if _, err := io.ReadFull(in, word[:]); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
		src = append(src, word[:]...)
	}
	out, err := Expand(nil, src, DefaultLimit)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(out)), nil
}

// xzEnds reports whether src ends with a footer that fits its header.
func xzEnds(src []byte) bool {
	if len(src) < 24 {
		return false
	}
	tail := src[len(src)-12:]
	return tail[10] == 'Y' && tail[11] == 'Z' && bytes.Equal(tail[8:10], src[6:8]) && crc32.ChecksumIEEE(tail[4:10]) == binary.LittleEndian.Uint32(tail)
}

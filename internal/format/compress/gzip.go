package compress

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"sync"
)

// gzips holds idle decoders.
var gzips sync.Pool

// expandGzip decodes all members of a gzip file.
func expandGzip(dst, src []byte, limit int64) ([]byte, int64, error) {
	in := bytes.NewReader(src)
	consumed := func() int64 { return int64(len(src) - in.Len()) }
	z, _ := gzips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer gzips.Put(z)
	if err := z.Reset(in); err != nil {
		return nil, consumed(), err
	}
	if len(src) >= 18 {
		// The file ends in the size of its last member; one byte more lets
		// the last Read meet the end.
		claim := uint64(binary.LittleEndian.Uint32(src[len(src)-4:]))
		dst = grow(dst, backed(claim+1, len(src), limit))
	}
	out, err := readAll(dst, z, limit)
	return out, consumed(), err
}

// firstGzip decodes the member at the start of src.
func firstGzip(src []byte, hint int, limit int64) (out []byte, work int64, err error) {
	in := bytes.NewReader(src)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, 0, err
	}
	z.Multistream(false)
	out, err = readAll(grow(nil, hint+1), z, limit)
	return out, int64(len(src)-in.Len()) + int64(len(out)), err
}

// streamGzip expands a member while it is read. It relies on the promise that a decoder given an io.ByteReader reads no
// further than it must.
func streamGzip(in *counter) (io.ReadCloser, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

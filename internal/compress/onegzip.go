//go:build !kmod_nogzip

package compress

import (
	"compress/gzip"
	"io"
)

// oneGzip relies on the promise that a decoder given an io.ByteReader reads no further than it must.
func oneGzip(in *counter) (io.ReadCloser, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

//go:build !kmod_noxz

package compress

import (
	"bytes"
	"io"

	"github.com/mikelolasagasti/xz"
)

// maxDict is the largest dictionary accepted; xz -9 uses half of it.
const maxDict = 128 << 20

// expandXzSlow decodes all streams of an xz file, whatever filters they use.
func expandXzSlow(dst, src []byte, limit int64) ([]byte, int64, error) {
	in := bytes.NewReader(src)
	z, err := xz.NewReader(in, maxDict)
	if err != nil {
		return nil, int64(len(src) - in.Len()), err
	}
	out, err := readAll(dst, z, limit)
	return out, int64(len(src) - in.Len()), err
}

// streamXz reads the first stream.
func streamXz(src []byte) (io.Reader, error) {
	z, err := xz.NewReader(bytes.NewReader(src), 1<<27)
	if err != nil {
		return nil, &Error{Xz, 0, err}
	}
	z.Multistream(false)
	return z, nil
}

package xz

import (
	"bytes"
	"io"

	"github.com/mikelolasagasti/xz"
)

// maxDict is the largest dictionary accepted; xz -9 uses half of it.
const maxDict = 128 << 20

// expandXzSlow decodes all streams of an xz file, or the first, whatever filters they use.
func expandXzSlow(src []byte, limit int64, all bool) ([]byte, int64, error) {
	in := bytes.NewReader(src)
	z, err := xz.NewReader(in, maxDict)
	if err != nil {
		return nil, int64(len(src) - in.Len()), err
	}
	z.Multistream(all)
	out, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err == nil && int64(len(out)) > limit {
		err = ErrTooLarge
	}
	return out, int64(len(src) - in.Len()), err
}

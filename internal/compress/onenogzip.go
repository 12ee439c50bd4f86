//go:build kmod_nogzip

package compress

import (
	"errors"
	"io"
)

func oneGzip(*counter) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

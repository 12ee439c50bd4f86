//go:build kmod_nozstd

package compress

import (
	"errors"
	"io"
)

func oneZstd(*counter) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

//go:build kmod_noxz

package compress

import (
	"errors"
	"io"
)

func oneXz(*counter) (io.ReadCloser, error) { return nil, errors.ErrUnsupported }

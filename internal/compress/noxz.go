//go:build kmod_noxz

package compress

import (
	"errors"
	"io"
)

// expandXz stands in for the decoder that this build leaves out.
func expandXz(dst, src []byte, limit int64) ([]byte, int64, error) {
	return nil, 0, errors.ErrUnsupported
}

// firstXz stands in likewise.
func firstXz([]byte, int, int64) ([]byte, int64, error) { return nil, 0, errors.ErrUnsupported }

// NewXzWriter stands in likewise: the writer it returns fails.
func NewXzWriter(io.Writer) io.WriteCloser { return noXz{} }

type noXz struct{}

func (noXz) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (noXz) Close() error              { return errors.ErrUnsupported }

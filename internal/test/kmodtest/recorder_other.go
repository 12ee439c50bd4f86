//go:build !linux || !amd64

package kmodtest

import (
	"errors"
	"os/exec"
	"testing"
)

// recorder is for linux/amd64 only.
type recorder struct{}

func newRecorder(t testing.TB, s *Sandbox) *recorder {
	Missing(t, "system calls are recorded on linux/amd64 only")
	return nil
}

func (r *recorder) run(cmd *exec.Cmd) ([]Call, error) { return nil, errors.ErrUnsupported }

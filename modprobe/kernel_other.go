//go:build !linux

package modprobe

import (
	"errors"
	"io/fs"
)

// Release fails: there is no Linux here.
func (running) Release() (string, error) { return "", errors.ErrUnsupported }

// FinitModule fails: there is no Linux here.
func (running) FinitModule(fs.File, string, int) error { return errors.ErrUnsupported }

// InitModule fails: there is no Linux here.
func (running) InitModule([]byte, string) error { return errors.ErrUnsupported }

// DeleteModule fails: there is no Linux here.
func (running) DeleteModule(string, int) error { return errors.ErrUnsupported }

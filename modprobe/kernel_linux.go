package modprobe

import (
	"errors"
	"io/fs"

	"github.com/u-root/u-root/pkg/kmodule"
	"golang.org/x/sys/unix"
)

// Release returns the release in uname(2).
func (running) Release() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// FinitModule calls finit_module(2) on f's descriptor. A file without one, such as a file of fstest.MapFS, is
// errors.ErrUnsupported. kmodule.FileInit is not used: it never gets to finit_module and drops the flags.
func (running) FinitModule(f fs.File, params string, flags int) error {
	fd, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return errors.ErrUnsupported
	}
	return unix.FinitModule(int(fd.Fd()), params, flags)
}

// InitModule calls init_module(2).
func (running) InitModule(image []byte, params string) error {
	return kmodule.Init(image, params)
}

// DeleteModule calls delete_module(2).
func (running) DeleteModule(name string, flags int) error {
	how := uintptr(unix.O_NONBLOCK)
	if flags&RemoveForce != 0 {
		how |= unix.O_TRUNC
	}
	return kmodule.Delete(name, how)
}

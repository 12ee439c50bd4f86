package modprobe

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"runtime"

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
// errors.ErrUnsupported. It is not kmodule.FileInit, which drops the flags of compressed files.
func (running) FinitModule(f fs.File, params string, flags int) error {
	if m, ok := f.(*imageFile); ok {
		file, err := memfile(m.image)
		if err != nil {
			return errors.ErrUnsupported
		}
		defer file.Close()
		f = file
	}
	fd, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return errors.ErrUnsupported
	}
	return signalsBlocked(func() error { return unix.FinitModule(int(fd.Fd()), params, flags) })
}

// InitModule calls init_module(2).
func (running) InitModule(image []byte, params string) error {
	return signalsBlocked(func() error { return kmodule.Init(image, params) })
}

// signalsBlocked makes a system call on a thread that has all signals blocked. The Go runtime sends signals to its own
// threads, and one of them would end the wait for another load of the same module with EINTR. With signals blocked,
// EINTR is the module's own answer. Signals to the process are delivered to its other threads.
func signalsBlocked(call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old) == nil {
		defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	}
	return call()
}

// DeleteModule calls delete_module(2), and repeats the call after EINTR: signals that the Go runtime sends to its own
// threads interrupt it before it has done anything.
func (running) DeleteModule(name string, flags int) error {
	how := uintptr(unix.O_NONBLOCK)
	if flags&RemoveForce != 0 {
		how |= unix.O_TRUNC
	}
	for {
		if err := kmodule.Delete(name, how); err != unix.EINTR {
			return err
		}
	}
}

// memfile returns a file in memory (memfd) that holds a module, for finit_module(2).
func memfile(image []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("module", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "module")
	if _, err := f.Write(image); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Listen opens /dev/kmsg at its end. That needs CAP_SYSLOG where kernel.dmesg_restrict is set.
func (running) Listen() (Log, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	k := kmsg{fd}
	k.Skip()
	return k, nil
}

// kmsg is /dev/kmsg; each read returns one record.
type kmsg struct{ fd int }

// Skip goes to the end of the log.
func (k kmsg) Skip() { unix.Seek(k.fd, 0, unix.SEEK_END) }

// Lines reads the records that are there, at most 8192: a kernel may log faster than they are read. A record is
// "LEVEL,NUMBER,TIME,FLAGS;TEXT" and more lines about it.
func (k kmsg) Lines() (lines []string) {
	buf := make([]byte, 8192)
	for range 1 << 13 {
		n, err := unix.Read(k.fd, buf)
		if err == unix.EPIPE { // records were overwritten before they were read
			continue
		}
		if err != nil || n <= 0 {
			return lines
		}
		_, text, _ := bytes.Cut(buf[:n], []byte{';'})
		text, _, _ = bytes.Cut(text, []byte{'\n'})
		lines = append(lines, string(text))
	}
	return lines
}

// Close closes the log.
func (k kmsg) Close() error { return unix.Close(k.fd) }

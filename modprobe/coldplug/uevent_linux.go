package coldplug

import (
	"bytes"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenUevents returns the uevents of the running kernel, from a netlink socket.
func ListenUevents() (Uevents, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK,
		unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Thousands of devices may appear at once: more than the buffer that unprivileged processes may have can hold.
	const room = 8 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room) // as much as is permitted
	}
	const fromKernel = 1
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: fromKernel}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	// A socket that is connected to the kernel receives nothing from other processes.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return &uevents{f: os.NewFile(uintptr(fd), "uevents"), buf: make([]byte, 64<<10)}, nil
}

// uevents is the Uevents of the kernel. The file belongs to the runtime's poller, so that Close ends a read.
type uevents struct {
	f   *os.File
	buf []byte
}

// Next reads the next message of the kernel.
func (u *uevents) Next() (Uevent, error) {
	for {
		n, err := u.f.Read(u.buf)
		if errors.Is(err, syscall.ENOBUFS) {
			return Uevent{}, ErrUeventsLost
		} else if err != nil {
			return Uevent{}, err
		}
		if e, ok := parseUevent(u.buf[:n]); ok {
			return e, nil
		}
	}
}

// Close closes the socket.
func (u *uevents) Close() error { return u.f.Close() }

// parseUevent reads "ACTION@DEVPATH" and KEY=VALUE, each ending in NUL. ok is false for other
// messages, such as those of udev.
func parseUevent(data []byte) (e Uevent, ok bool) {
	head, rest, _ := bytes.Cut(data, []byte{0})
	if !bytes.Contains(head, []byte("@/")) {
		return e, false
	}
	for field := range bytes.SplitSeq(rest, []byte{0}) {
		key, value, _ := bytes.Cut(field, []byte("="))
		switch string(key) {
		case "ACTION":
			e.Action = string(value)
		case "DEVPATH":
			e.Device = string(value)
		case "MODALIAS":
			e.Alias = string(value)
		}
	}
	return e, e.Action != "" && e.Device != ""
}

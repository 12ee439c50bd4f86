package coldplug

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// message is what the kernel sends for an event.
func message(e Uevent) []byte {
	return fmt.Appendf(nil, "%s@%s\x00ACTION=%[1]s\x00DEVPATH=%[2]s\x00SUBSYSTEM=pci\x00MODALIAS=%[3]s\x00SEQNUM=1\x00", e.Action, e.Device, e.Alias)
}

func FuzzUevent(f *testing.F) {
	fuzzseed.Add(f, []byte("add@/devices/x\x00ACTION=add\x00DEVPATH=/devices/x\x00MODALIAS=pci:v1\x00"))
	fuzzseed.Add(f, []byte("libudev\x00\xfe\xed\xca\xfe\x28\x00ACTION=add\x00DEVPATH=/x\x00"))
	fuzzseed.Add(f, []byte("@/\x00ACTION=\x00DEVPATH"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, ok := parseUevent(data)
		if !ok {
			return
		}
		for _, field := range []string{"ACTION=" + e.Action, "DEVPATH=" + e.Device} {
			if !bytes.Contains(data, []byte(field)) {
				t.Errorf("%q is not in the message", field)
			}
		}
		if e.Device[0] != '/' {
			return // not the kernel's, which has "@/" before the path
		}
		if again, ok := parseUevent(message(e)); !ok || again != e {
			t.Errorf("%+v is written as %q and read as %+v, %t", e, message(e), again, ok)
		}
	})
}

// TestUeventsOfProcesses: what a process sends does not arrive.
func TestUeventsOfProcesses(t *testing.T) {
	u, err := ListenUevents()
	if err != nil {
		kmodtest.Missing(t, "%v", err)
	}
	defer u.Close()
	conn, err := u.(*uevents).f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var name unix.Sockaddr
	conn.Control(func(fd uintptr) { name, err = unix.Getsockname(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: name.(*unix.SockaddrNetlink).Pid}
	err = unix.Sendto(fd, message(Uevent{Action: "add", Device: "/devices/made/up", Alias: "pci:v1"}), 0, to)
	if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EPERM) {
		t.Errorf("sending to the socket: %v, want %v", err, unix.ECONNREFUSED)
	}
}

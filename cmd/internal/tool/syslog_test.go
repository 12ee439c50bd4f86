//go:build linux

package tool_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestSyslogDatagram compares what -s sends to /dev/log with kmod, but for the time.
func TestSyslogDatagram(t *testing.T) {
	s := kmodtest.NewSandbox(t)
	listen, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(s.Root, "dev/log"), Net: "unixgram"})
	if err != nil {
		t.Skip(err) // the path may be too long for a socket
	}
	defer listen.Close()
	receive := func() string {
		buf := make([]byte, 1000)
		listen.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := listen.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		const stamp = len("<26>") + len("Nov 22 06:19:21")
		return string(buf[:4]) + string(buf[stamp:n])
	}
	for _, args := range [][]string{{"modprobe", "-s", "nope"}, {"/sbin/modprobe", "-as", "nope"}, {"rmmod", "-s", "nope"}} {
		r := s.Ours(t, kmodtest.Run{Args: args})
		if r.Stdout != "" || r.Stderr != "" || r.Status != 1 {
			t.Errorf("%q: %v; want nothing printed", args, r)
		}
		ours := receive()
		if len(args) > 0 && args[0] != "rmmod" {
			receive() // the hint that there is no module tree
		}
		if !s.HasOracle() {
			continue
		}
		s.Kmod(t, kmodtest.Run{Args: args})
		if kmod := receive(); ours != kmod {
			t.Errorf("%q: %q; kmod sends %q", args, ours, kmod)
		}
	}
}

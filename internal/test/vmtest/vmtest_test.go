//go:build linux

package vmtest_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func TestRun(t *testing.T) {
	vmtest.Run(t, "6.1", vmtest.Options{Modules: []string{"crc16"}})
}

// TestGuestKernel: the guest is a machine of its own, with the modules asked for.
func TestGuestKernel(t *testing.T) {
	vmtest.InGuest(t)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	if !strings.HasPrefix(release, "6.1.") {
		t.Errorf("release %s, want 6.1", release)
	}
	f, err := os.Open("/lib/modules/" + release + "/kernel/lib/crc16.ko")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
		t.Error("crc16:", err)
	}
	if _, err := os.Stat("/sys/module/crc16"); err != nil {
		t.Error(err)
	}
}

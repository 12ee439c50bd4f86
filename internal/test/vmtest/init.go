//go:build linux

package vmtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Mount makes and mounts, in a guest whose first process calls it, what programs expect: /proc, /sys, /dev, /run and
// /tmp.
func Mount() error {
	for _, m := range []struct{ fs, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fs, m.dir, m.fs, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// End ends the guest with ExitPass or ExitFail. It does not return.
func End(code byte) {
	Drain()
	port, err := os.OpenFile("/dev/port", os.O_WRONLY, 0)
	if err == nil {
		_, err = port.WriteAt([]byte{code}, ExitPort)
	}
	fmt.Println("the machine cannot tell its result:", err)
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// Drain waits until all that was written to the console has left the machine, which would take the rest with it.
func Drain() { unix.IoctlSetInt(1, unix.TCSBRK, 1) }

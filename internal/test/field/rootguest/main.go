//go:build linux

// Command rootguest is the first program on the root file system of guests whose boot is measured: it prints when the
// kernel ran /init of the image, by its log, and when this program began, in seconds since the start, and what our
// /init reports, and ends the machine.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "rootguest: this is the first program of a machine; it does nothing elsewhere")
		os.Exit(1)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		fmt.Println("first:", err)
	}
	unix.Mount("devtmpfs", "/dev", "devtmpfs", 0, "") // if /init has left none
	const all = 3                                     // SYSLOG_ACTION_READ_ALL
	log := make([]byte, 1<<20)
	n, err := unix.Klogctl(all, log)
	if err != nil {
		fmt.Println("first:", err)
	}
	fmt.Printf("\nfirst: init %s root %.6f\n", when(log[:n], "Run /init as init process"), float64(now.Nano())/1e9)
	report, _ := os.ReadFile("/run/gomodprobe/boot.json") // images of others leave none
	os.Stdout.Write(report)
	vmtest.End(vmtest.ExitPass)
}

// when returns the time of a line of the kernel's log, in seconds.
func when(log []byte, text string) string {
	for line := range bytes.Lines(log) {
		if _, stamp, ok := strings.Cut(string(line), "["); ok && strings.Contains(stamp, "] "+text) {
			stamp, _, _ = strings.Cut(stamp, "]")
			return strings.TrimSpace(stamp)
		}
	}
	return "?"
}

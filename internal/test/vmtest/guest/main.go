//go:build linux

// Command guest is /init of the machines that vmtest boots: it mounts what programs expect, runs the
// given program with its output on the second serial port, and ends the machine with the result.
//
// The kernel's command line has guest.run=PROGRAM and, percent-encoded and joined by commas, its
// arguments as guest.args=.
package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is /init of a test machine; it does nothing elsewhere")
		os.Exit(1)
	}
	code := vmtest.ExitFail
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	} else {
		code = vmtest.ExitPass
	}
	vmtest.End(code)
}

// run sets the machine up and runs the program of the command line.
func run() error {
	if err := vmtest.Mount(); err != nil {
		return err
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	var program string
	var args []string
	for _, word := range strings.Fields(string(cmdline)) {
		if v, ok := strings.CutPrefix(word, "guest.run="); ok {
			program = v
		}
		if v, ok := strings.CutPrefix(word, "guest.args="); ok {
			for a := range strings.SplitSeq(v, ",") {
				if a, err = url.QueryUnescape(a); err != nil {
					return err
				}
				args = append(args, a)
			}
		}
	}
	results, err := os.OpenFile(vmtest.ResultDevice, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = "/tmp"
	cmd.Env = []string{"PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/", "TMPDIR=/tmp", vmtest.GuestEnv + "=1"}
	cmd.Stdout, cmd.Stderr = results, results
	err = cmd.Run()
	if err != nil {
		fmt.Fprintf(results, "guest: %v\n", err)
		dmesg(results)
	}
	unix.IoctlSetInt(int(results.Fd()), unix.TCSBRK, 1) // wait until the line has sent everything
	return err
}

// dmesg copies the end of the kernel's log.
func dmesg(to *os.File) {
	const all = 3 // SYSLOG_ACTION_READ_ALL
	buf := make([]byte, 16<<10)
	if n, err := unix.Klogctl(all, buf); err == nil {
		fmt.Fprintf(to, "guest: the end of the kernel's log:\n%s", buf[:n])
	}
}

//go:build linux

// Command guest is the first program on the root file systems of the guests that package boot's tests start: it looks at
// what /init has left, prints it, and ends the machine.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/vmtest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is the first program of a machine; it does nothing elsewhere")
		os.Exit(1)
	}
	fmt.Printf("\nguest: began\nguest: argv %q\n", os.Args)
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		fmt.Print("guest: mount ", line)
	}
	fmt.Printf("guest: memory that files hold: %d KiB\n", unevictable())
	for _, dir := range []string{"/", "/dev", "/run"} {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		fmt.Printf("guest: ls %s: %s\n", dir, strings.Join(names, " "))
	}
	for _, name := range []string{"/run/gomodprobe/boot.json", "/proc/modules"} {
		data, err := os.ReadFile(name)
		if err != nil {
			fmt.Println("guest: error", err)
		}
		for line := range strings.Lines(string(data)) {
			fmt.Printf("guest: %s: %s", filepath.Base(name), line)
		}
	}
	for i := range 3 {
		var st, console unix.Stat_t
		if unix.Fstat(i, &st) != nil || unix.Stat("/dev/console", &console) != nil || st.Ino != console.Ino || st.Dev != console.Dev {
			fmt.Printf("guest: error: descriptor %d is not /dev/console\n", i)
		}
	}
	fmt.Println("guest: done")
	if runtime.GOARCH != "amd64" {
		vmtest.Drain()
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	vmtest.End(vmtest.ExitPass)
}

// unevictable is how much memory the files of the image, and others that are only in memory, take.
func unevictable() (kib int) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return -1
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var n int
		if _, err := fmt.Sscanf(s.Text(), "Unevictable: %d kB", &n); err == nil {
			kib += n
		}
		if _, err := fmt.Sscanf(s.Text(), "Shmem: %d kB", &n); err == nil {
			kib += n
		}
	}
	return kib
}

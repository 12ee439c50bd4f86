//go:build linux

// Command guest is the first program on the root file systems of the guests that package boot's tests start: it looks
// at what /init has left, prints it, and ends the machine. By other names it is, in images, a hook before or after
// mounting, or the shell.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	switch name := filepath.Base(os.Args[0]); {
	case os.Getpid() == 1:
	case name == "before" || name == "after":
		hook(name)
		return
	case name == "sh":
		shell()
		return
	default:
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
		if unix.Fstat(i, &st) != nil || unix.Stat("/dev/console", &console) != nil || st.Ino != console.Ino ||
			st.Dev != console.Dev {
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

// hook prints what a hook is told. Before mounting it waits for the root.
func hook(name string) {
	root, dir := os.Getenv("ROOT"), os.Getenv("NEWROOT")
	fmt.Printf("guest: hook %s: ROOT=%s NEWROOT=%s\n", name, root, dir)
	if name == "before" {
		for until, limit := range map[string]string{root: "3m", "UUID=none": "2s"} {
			out, err := exec.Command("/sbin/modprobe", "--coldplug", "--until="+until,
				"--timeout="+limit).CombinedOutput()
			fmt.Printf("guest: hook: until %s: %v %s\n", until, err,
				bytes.ReplaceAll(out, []byte("\n"), []byte(" ")))
		}
		return
	}
	names, _ := filepath.Glob(dir + "/*")
	fmt.Printf("guest: hook: ls %s\n", strings.Join(names, " "))
}

// shell ends at once the first time; the second time it waits for the driver of the keyboard, which nobody loads but
// /init, and ends the machine.
func shell() {
	const mark = "/run/shell"
	if _, err := os.Stat(mark); err != nil {
		fmt.Println("guest: the shell")
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			fmt.Println("guest: error", err)
		}
		return
	}
	fmt.Println("guest: the shell again")
	for {
		if state, _ := os.ReadFile("/sys/module/usbhid/initstate"); string(state) == "live\n" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Println("guest: the keyboard has its driver")
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

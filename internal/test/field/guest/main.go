//go:build linux

// Command guest is /init of the guests of other architectures: it loads and removes modules with the gomodprobe beside
// it, prints "ok NAME" or "not ok NAME | why" for each check, and powers the machine off.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is /init of a test machine; it does nothing elsewhere")
		os.Exit(1)
	}
	defer unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	if err := vmtest.Mount(); err != nil {
		fmt.Println("not ok mount |", err)
	}
	fmt.Println() // what the firmware has written may end in mid-line
	var uts unix.Utsname
	unix.Uname(&uts)
	release := unix.ByteSliceToString(uts.Release[:])

	run("modprobe: a module with what it needs", 0, `(?m)^insmod .*/ext4\.ko `, "modprobe", "-v", "ext4")
	check("ext4 and jbd2 are there", loaded("ext4") && loaded("jbd2"))
	run("lsmod", 0, `(?m)^jbd2 +\d+ +1 ext4$`, "lsmod")
	run("modprobe --first-time of a loaded one", 1, "Module already in kernel", "modprobe", "--first-time", "ext4")
	run("rmmod of one in use", 1, "Module jbd2 is in use by: ext4", "rmmod", "jbd2")
	run("modprobe -r", 0, "", "modprobe", "-r", "ext4")
	check("ext4 and jbd2 are gone", !loaded("ext4") && !loaded("jbd2"))
	run("modprobe with a parameter", 0, "", "modprobe", "loop", "max_loop=3")
	parameter, _ := os.ReadFile("/sys/module/loop/parameters/max_loop")
	check("the parameter is set", strings.TrimSpace(string(parameter)) == "3")
	run("modinfo", 0, `(?m)^vermagic: +`+regexp.QuoteMeta(release)+" ", "modinfo", "loop")
	run("rmmod", 0, "", "rmmod", "loop")
	check("squashfs is not there", !loaded("squashfs"))
	unix.Mount("/dev/zero", "/tmp", "squashfs", 0, "") // fails, but not before the kernel has asked for its module
	check("the kernel's own request", loaded("squashfs"))
	run("insmod without what it needs", 1, "Unknown symbol in module", "insmod", "/lib/modules/"+release+"/kernel/fs/ext4/ext4.ko")
	run("depmod", 0, "^$", "depmod", "-a")
	run("modprobe with the tables made here", 0, "", "modprobe", "ext4")
	run("modprobe --check", 0, "LOADS", "modprobe", "--check", "loop")
	run("modprobe -f", 0, "", "modprobe", "-f", "loop")
	check("forced: it is there", loaded("loop"))
	fmt.Println("guest: done")
}

// run starts a tool and checks exit status and output.
func run(name string, status int, pattern, tool string, args ...string) {
	cmd := exec.Command("/sbin/"+tool, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Printf("not ok %s | %v\n", name, err)
		return
	}
	if got := cmd.ProcessState.ExitCode(); got != status || !regexp.MustCompile(pattern).Match(out.Bytes()) {
		fmt.Printf("not ok %s | status %d, want %d and %q: %s\n", name, got, status, pattern, &out)
		return
	}
	fmt.Println("ok", name)
}

func check(name string, ok bool) {
	if ok {
		fmt.Println("ok", name)
		return
	}
	modules, _ := os.ReadFile("/proc/modules")
	fmt.Printf("not ok %s | /proc/modules is\n%s\n", name, modules)
}

func loaded(module string) bool {
	_, err := os.Stat("/sys/module/" + module)
	return err == nil
}

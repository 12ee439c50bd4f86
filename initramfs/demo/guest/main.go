//go:build linux

// Command guest is the first program on the disk of the machine that the demonstration boots: it shows how /init of the
// image got there, loads and removes modules with gomodprobe, and checks each step. It ends the machine, with success
// only if all went well.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is the first program of a machine; it does nothing elsewhere")
		os.Exit(1)
	}
	code := vmtest.ExitPass
	if err := demo(); err != nil {
		fmt.Println("\nFAILED:", err)
		code = vmtest.ExitFail
	}
	vmtest.End(code)
}

// demo runs the steps.
func demo() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	fmt.Printf("\nThis is Linux %s. Nothing is on this disk but gomodprobe, modules, and this program.\n",
		unix.ByteSliceToString(u.Release[:]))
	for _, s := range []struct {
		title string
		run   func() error
	}{
		{"how the machine got here: /init of the image is gomodprobe, too", booted},
		{"a module by name, with what it needs", byName},
		{"a driver by the alias of a device", byAlias},
		{"parameters, from the command line and from /etc/modprobe.d", parameters},
		{"a soft dependency", softDependency},
		{"the kernel itself asks for a module: a mount", byKernel},
		{"what is loaded", list},
		{"a module and what only it needed are removed", remove},
	} {
		fmt.Printf("\n--- %s\n", s.title)
		start := time.Now()
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		fmt.Printf("    (%d ms)\n", time.Since(start).Milliseconds())
	}
	return nil
}

// sh shows a command and runs it.
func sh(name string, args ...string) error {
	fmt.Println("#", name, strings.Join(args, " "))
	cmd := exec.Command("/sbin/"+name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// loaded is an error unless all these modules are in the kernel.
func loaded(names ...string) error {
	for _, n := range names {
		if _, err := os.Stat("/sys/module/" + n); err != nil {
			return fmt.Errorf("%s is not loaded", n)
		}
	}
	return nil
}

// order returns the modules that are loaded, the last one first.
func order() []string {
	data, err := os.ReadFile("/proc/modules")
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}

// thin is a module, and others that it needs.
var thin = []string{"dm_thin_pool", "dm_persistent_data", "dm_bufio", "dm_mod"}

func byName() error {
	if err := sh("modprobe", "-v", "dm_thin_pool"); err != nil {
		return err
	}
	return loaded(thin...)
}

// byAlias loads the driver of the machine's disk controller.
func byAlias() error {
	files, err := filepath.Glob("/sys/bus/pci/devices/*/modalias")
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		a := strings.TrimSpace(string(data))
		if !strings.Contains(a, "bc01sc06i01") { // an AHCI controller
			continue
		}
		if err := sh("modprobe", "-v", a); err != nil {
			return err
		}
		if err := loaded("ahci"); err != nil {
			return err
		}
		fmt.Println("ahci drives", strings.TrimPrefix(filepath.Dir(f), "/sys/bus/pci/devices/"))
		if _, err := os.Stat(filepath.Dir(f) + "/driver"); err != nil {
			return errors.New("the controller has no driver")
		}
		return nil
	}
	return errors.New("this machine has no AHCI controller")
}

func parameters() error {
	if err := sh("modprobe", "-v", "loop", "max_loop=5"); err != nil {
		return err
	}
	for name, want := range map[string]string{"max_loop": "5", "max_part": "3"} {
		data, err := os.ReadFile("/sys/module/loop/parameters/" + name)
		if err != nil {
			return err
		}
		got := strings.TrimSpace(string(data))
		fmt.Printf("/sys/module/loop/parameters/%s: %s\n", name, got)
		if got != want {
			return fmt.Errorf("loop's %s is %s, want %s", name, got, want)
		}
	}
	return nil
}

func softDependency() error {
	data, err := os.ReadFile("/etc/modprobe.d/demo.conf")
	if err != nil {
		return err
	}
	fmt.Printf("# cat /etc/modprobe.d/demo.conf\n%s", data)
	if err := sh("modprobe", "-v", "macvlan"); err != nil {
		return err
	}
	if err := loaded("macvlan", "dummy"); err != nil {
		return err
	}
	if o := order(); slices.Index(o, "dummy") < slices.Index(o, "macvlan") {
		return fmt.Errorf("dummy was not loaded before macvlan: %q", o)
	}
	return nil
}

// booted shows what /init did, and checks that it was asked for the right root and that devices asked for its drivers.
func booted() error {
	data, err := os.ReadFile("/run/gomodprobe/boot.json")
	if err != nil {
		return err
	}
	var r struct {
		Root, Device, Type, Init string
		Found                    int `json:"found_ms"`
		Mounted                  int `json:"mounted_ms"`
		Took                     int `json:"took_ms"`
		Coldplug                 struct {
			Modules []struct {
				Name, Device, By, Error string
				Start                   int `json:"start_ms"`
				End                     int `json:"end_ms"`
			}
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	fmt.Printf("%-24s %7s %7s  %s\n", "module", "from ms", "to ms", "for")
	drivers := 0
	var left []string
	for _, m := range r.Coldplug.Modules {
		why := strings.TrimPrefix(m.Device, "sys/")
		switch {
		case m.Error != "" && m.End == 0:
			left = append(left, m.Name)
			continue
		case m.Error != "":
			why = m.Error
		case m.By != "":
			why = "needed by " + m.By
		default:
			drivers++
		}
		fmt.Printf("%-24s %7d %7d  %s\n", m.Name, m.Start, m.End, why)
	}
	if len(left) > 0 {
		fmt.Printf("not needed for the root, and left to the system on it: %s\n", strings.Join(left, " "))
	}
	fmt.Printf("%d ms: root=%s found on %s; %d ms: mounted as %s; %d ms: %s started\n", r.Found, r.Root, r.Device,
		r.Mounted, r.Type, r.Took, r.Init)
	if r.Root != "LABEL=demo" || r.Device != "/dev/vda" || r.Type != "ext4" || drivers == 0 {
		return fmt.Errorf("this is not how it should have been: %s", data)
	}
	return loaded("virtio_blk", "ext4")
}

// byKernel mounts a file system whose driver is a module. There is none on the device, so that the mount fails, but not
// before the kernel has run /sbin/modprobe -q -- fs-minix.
func byKernel() error {
	fmt.Println("There is no minix file system here, so this mount is meant to fail. Before it does, the kernel starts")
	fmt.Println("/sbin/modprobe -q -- fs-minix.")
	fmt.Println("# mount -t minix /dev/loop0 /mnt")
	err := unix.Mount("/dev/loop0", "/mnt", "minix", unix.MS_RDONLY, "")
	fmt.Println("mount:", err)
	if errors.Is(err, syscall.ENODEV) {
		return errors.New("the kernel does not know minix")
	}
	if err := loaded("minix"); err != nil {
		return err
	}
	fmt.Println("minix is loaded; nobody but the kernel asked for it")
	return nil
}

func list() error { return sh("lsmod") }

func remove() error {
	if err := sh("modprobe", "-r", "-v", "dm_thin_pool"); err != nil {
		return err
	}
	for _, n := range thin {
		if loaded(n) == nil {
			return fmt.Errorf("%s is still loaded", n)
		}
	}
	return nil
}

//go:build linux

// Command layoutguest is /init of the guest that testdata/examples/boosterimage makes an image for. It stands in for
// booster's init, and knows no more than that does: modules side by side in /usr/lib/modules, booster.alias, and what
// /etc/booster.init.yaml says has to be loaded before and after each. It loads what the devices of the machine ask
// for, mounts /dev/vda and starts /first on it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

const modules = "/usr/lib/modules"

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "layoutguest: this is the first program of a machine; it does nothing elsewhere")
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Println("layout: failed:", err)
	}
	vmtest.End(vmtest.ExitFail)
}

func run() error {
	for _, m := range [...][2]string{{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}} {
		if err := os.MkdirAll(m[0], 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m[1], m[0], m[1], 0, ""); err != nil {
			return fmt.Errorf("%s: %w", m[0], err)
		}
	}
	l, err := newLoader()
	if err != nil {
		return err
	}
	for {
		more, err := l.devices()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := l.load("ext4"); err != nil {
		return err
	}
	fmt.Printf("layout: %d modules loaded\n", len(l.done))
	if err := os.MkdirAll("/newroot", 0o755); err != nil {
		return err
	}
	for try := 0; ; try++ { // the disk is there a moment after its driver
		err := unix.Mount("/dev/vda", "/newroot", "ext4", 0, "")
		if err == nil {
			break
		}
		if try == 600 {
			return fmt.Errorf("/dev/vda: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := unix.Chroot("/newroot"); err != nil {
		return err
	}
	return unix.Exec("/first", []string{"/first"}, os.Environ())
}

// loader is what the image says of its modules.
type loader struct {
	before, after map[string][]string
	aliases       [][2]string // pattern, module
	done          map[string]bool
}

func newLoader() (*loader, error) {
	l := &loader{before: map[string][]string{}, after: map[string][]string{}, done: map[string]bool{}}
	config, err := os.ReadFile("/etc/booster.init.yaml")
	if err != nil {
		return nil, err
	}
	var section map[string][]string
	for line := range strings.Lines(string(config)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case line[0] == ' ' && section != nil:
			for name := range strings.SplitSeq(strings.Trim(value, "[]"), ", ") {
				section[key] = append(section[key], name)
			}
		case line[0] != ' ':
			section = map[string]map[string][]string{"moduledependencies": l.before, "modulepostdependencies": l.after}[key]
		}
		if key == "kernel" {
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil || unix.ByteSliceToString(u.Release[:]) != value {
				return nil, fmt.Errorf("the image is for kernel %s, this is %s", value, unix.ByteSliceToString(u.Release[:]))
			}
		}
	}
	list, err := os.ReadFile(modules + "/booster.alias")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		pattern, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		l.aliases = append(l.aliases, [2]string{pattern, module})
	}
	return l, nil
}

// devices loads what the devices there are ask for, and reports whether that was anything.
func (l *loader) devices() (more bool, err error) {
	before := len(l.done)
	err = filepath.WalkDir("/sys/devices", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "modalias" {
			return nil // devices go
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil
		}
		for _, a := range l.aliases {
			if ok, _ := filepath.Match(a[0], strings.TrimSpace(string(data))); ok {
				if err := l.load(a[1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return len(l.done) > before, err
}

// load loads a module with what comes before and after it.
func (l *loader) load(name string) error {
	if l.done[name] {
		return nil
	}
	l.done[name] = true
	for _, d := range l.before[name] {
		if err := l.load(d); err != nil {
			return err
		}
	}
	f, err := os.Open(modules + "/" + name + ".ko")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, d := range l.after[name] {
		if err := l.load(d); err != nil {
			return err
		}
	}
	return nil
}

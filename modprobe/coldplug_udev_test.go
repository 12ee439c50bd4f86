//go:build linux

package modprobe_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// fixedRules are modules that udev loads because a rule names them, whatever aliases there are: 80-drivers.rules.
var fixedRules = []string{"sg", "ppdev"}

// pluggedRun is what one guest did.
type pluggedRun struct {
	modules  []string      // in the kernel at the end, sorted
	last     time.Duration // from the beginning to the last module that was there
	returned time.Duration // until cold-plug, or udevadm settle, had returned
}

// coldplugRun boots the machine with many devices and lets one of "ours", "one" (ours with one worker) or "udev" find
// the drivers. args are more arguments for qemu.
func coldplugRun(t *testing.T, how string, args ...string) (r pluggedRun) {
	t.Helper()
	files, links := udevFiles(t)
	n := 0
	vmtest.Run(t, "6.1", vmtest.Options{
		Tests: "^TestColdplugMeasured$", Modules: coldModules, Files: files, Links: links, Memory: 2048,
		Append: "how=" + how, Args: append(manyDevices(t, t.TempDir()), args...),
		Log: func(test, text string) {
			if name := os.Getenv("GOMODPROBE_TRACE"); name != "" {
				os.WriteFile(name+how, []byte(text), 0o644)
			}
			for line := range strings.Lines(text) {
				_, line, ok := strings.Cut(line, "measured ")
				if w := strings.Fields(line); ok && len(w) == 3 {
					last, err1 := time.ParseDuration(w[0])
					returned, err2 := time.ParseDuration(w[1])
					if err := errors.Join(err1, err2); err != nil {
						t.Fatal(err)
					}
					r = pluggedRun{strings.Split(w[2], ","), last, returned}
					n++
				}
			}
		},
	})
	if n != 1 && !t.Failed() {
		t.Fatalf("the guest gave %d results", n)
	}
	return r
}

// udevFiles is Debian's udev with its libraries and rules.
func udevFiles(t *testing.T) (files map[string][]byte, links map[string]string) {
	t.Helper()
	root := filepath.Join(kmodtest.Fetch(t, "udev"), "root")
	files = map[string][]byte{"etc/passwd": []byte("root:x:0:0::/:/\n"), "etc/group": []byte("root:x:0:\n")}
	links = make(map[string]string)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		in, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if in == "usr/share" || strings.HasSuffix(in, "hwdb.d") {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type() == fs.ModeSymlink {
			links[in], err = os.Readlink(name)
		} else {
			files[in], err = os.ReadFile(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, links
}

// watch looks every 100 ms how many modules are ready, until quit is closed, and returns when that last changed.
func watch(begin time.Time, quit <-chan struct{}) <-chan time.Duration {
	result := make(chan time.Duration, 1)
	go func() {
		var last time.Duration
		count := 0
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if data, err := os.ReadFile("/proc/modules"); err == nil {
				if n := bytes.Count(data, []byte(" Live ")); n != count {
					count, last = n, time.Since(begin)
				}
			}
			select {
			case <-tick.C:
			case <-quit:
				result <- last
				return
			}
		}
	}()
	return result
}

// TestColdplugMeasured finds the drivers as the kernel's command line says, and reports.
func TestColdplugMeasured(t *testing.T) {
	vmtest.InGuest(t)
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	how := ""
	for word := range strings.FieldsSeq(string(cmdline)) {
		if v, ok := strings.CutPrefix(word, "how="); ok {
			how = v
		}
	}
	begin := time.Now()
	quit := make(chan struct{})
	last := watch(begin, quit)
	var returned time.Duration
	const quiet = 3 * time.Second // USB devices appear seconds after their controller
	switch how {
	case "udev":
		udev(t)
		returned = time.Since(begin)
		time.Sleep(quiet)
		udevadm(t, "settle")
		time.Sleep(quiet)
	case "ours", "one":
		o := &modprobe.ColdplugOptions{Settle: quiet}
		if how == "one" {
			o.Workers = 1
		}
		returned = plug(t, o)
	default:
		t.Fatalf("how=%q", how)
	}
	close(quit)
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		t.Logf("%.70s", stat)
	}
	loaded, err := os.ReadFile("/proc/modules")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for line := range strings.Lines(string(loaded)) {
		name, _, _ := strings.Cut(line, " ")
		names[name] = true
	}
	var self unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &self); err != nil {
		t.Fatal(err)
	}
	t.Logf("user %v sys %v", time.Duration(self.Utime.Nano()), time.Duration(self.Stime.Nano()))
	t.Logf("measured %v %v %s", <-last, returned, strings.Join(slices.Sorted(maps.Keys(names)), ","))
	for line := range strings.Lines(kernelLog(t)) {
		if strings.Contains(line, "Unknown symbol") {
			t.Error(line)
		}
	}
}

// plug runs Coldplug and wants each module loaded once. It returns when the last one was.
func plug(t *testing.T, o *modprobe.ColdplugOptions) (last time.Duration) {
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Coldplug(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, m := range r.Modules {
		t.Logf("trace %-24s asked %7.1f ready %7.1f start %7.1f took %7.1f %s%s", m.Name, ms(m.Asked), ms(m.Ready), ms(m.Start), ms(m.End-m.Start), m.By, m.Alias)
		if seen[m.Name] {
			t.Errorf("%s was loaded twice", m.Name)
		}
		seen[m.Name] = true
		if m.Err == nil {
			last = max(last, m.End)
		} else if !errors.Is(m.Err, unix.ENODEV) && !errors.Is(m.Err, unix.EBUSY) {
			t.Errorf("%s: %v", m.Name, m.Err)
		}
	}
	return last
}

// udev starts udevd and has it find the drivers, as Debian's initramfs does.
func udev(t *testing.T) {
	cmd := exec.Command("/lib/systemd/systemd-udevd", "--daemon", "--resolve-names=never")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	udevadm(t, "trigger", "--type=subsystems", "--action=add")
	udevadm(t, "trigger", "--type=devices", "--action=add")
	udevadm(t, "settle")
}

func udevadm(t *testing.T, args ...string) {
	if out, err := exec.Command("/bin/udevadm", args...).CombinedOutput(); err != nil {
		t.Fatalf("udevadm %q: %v\n%s", args, err, out)
	}
}

// kernelLog is what the kernel has said.
func kernelLog(t *testing.T) string {
	log := make([]byte, 1<<20)
	const all = 3 // SYSLOG_ACTION_READ_ALL
	n, err := unix.Klogctl(all, log)
	if err != nil {
		t.Fatal(err)
	}
	return string(log[:n])
}

// without returns the list without others.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}

// TestColdplugLikeUdev: what is in the kernel after cold-plug is what udev loads but for its fixed rules, each time.
// GOMODPROBE_RUNS says how many times; 50 is what was promised.
func TestColdplugLikeUdev(t *testing.T) {
	kmodtest.Long(t)
	runs := runsWanted(t, 50)
	want := without(coldplugRun(t, "udev").modules, fixedRules)
	for i := range runs {
		got := without(coldplugRun(t, "ours").modules, fixedRules)
		if more, less := without(got, want), without(want, got); len(more)+len(less) > 0 {
			t.Errorf("run %d of %d: beside what udev loads %q, not loaded %q", i+1, runs, more, less)
		}
		t.Logf("run %d of %d: %d modules", i+1, runs, len(got))
	}
}

// runsWanted is GOMODPROBE_RUNS, or n.
func runsWanted(t testing.TB, n int) int {
	text := os.Getenv("GOMODPROBE_RUNS")
	if text == "" {
		return n
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("GOMODPROBE_RUNS=%s is not a number", text)
	}
	return n
}

// TestColdplugInstructions counts instructions as time: one processor, one instruction a nanosecond, so that the load of
// this computer does not matter. Half of what the drivers do is waiting, which parallel loading hides even there.
func TestColdplugInstructions(t *testing.T) {
	kmodtest.Long(t)
	took := make(map[string][]time.Duration)
	for range runsWanted(t, 3) {
		for _, how := range strings.Fields(cmp.Or(os.Getenv("HOW"), "ours one udev")) {
			r := coldplugRun(t, how, "-smp", "1", "-icount", "shift=0,sleep=off")
			took[how] = append(took[how], r.last)
			t.Logf("%s: the last module after %v, returned after %v, %d modules", how, r.last, r.returned, len(r.modules))
		}
	}
	ours := slices.Min(took["ours"])
	for _, how := range []string{"one", "udev"} {
		ratio := float64(ours) / float64(slices.Min(took[how]))
		fmt.Printf("ours %v, %s %v: %.2f of it\n", ours, how, slices.Min(took[how]), ratio)
		if ratio > 0.70 {
			t.Errorf("ours takes %.2f of the time of %s; want at most 0.70", ratio, how)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

//go:build linux

package coldplug_test

import (
	"bytes"
	"context"
	"errors"
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

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// fixedRules are modules that udev loads because a rule names them, whatever aliases there are: 80-drivers.rules.
var fixedRules = []string{"sg", "ppdev"}

// pluggedRun is what one guest did.
type pluggedRun struct {
	modules  []string      // in the kernel at the end, sorted
	disks    time.Duration // from the beginning to the last of the disks
	last     time.Duration // to the last module that was there
	returned time.Duration // until cold-plug, or udevadm settle, had returned
}

// coldplugRun boots the machine with many devices and lets one of "ours", "one" (ours with one worker) or "udev" find
// the drivers. args are more arguments for qemu; parallel is that of vmtest.Options.
func coldplugRun(t *testing.T, how string, parallel bool, args ...string) (r pluggedRun) {
	t.Helper()
	files, links := udevFiles(t)
	n := 0
	vmtest.Run(t, "6.1", vmtest.Options{
		Tests: "^TestColdplugMeasured$", Modules: coldModules, Files: files, Links: links, Memory: 2048,
		Append: "how=" + how, Args: append(manyDevices(t, t.TempDir()), args...), Parallel: parallel,
		Log: func(test, text string) {
			for line := range strings.Lines(text) {
				_, line, ok := strings.Cut(line, "measured ")
				if w := strings.Fields(line); ok && len(w) == 4 {
					r = pluggedRun{modules: strings.Split(w[3], ",")}
					for i, d := range []*time.Duration{&r.disks, &r.last, &r.returned} {
						var err error
						if *d, err = time.ParseDuration(w[i]); err != nil {
							t.Fatal(err)
						}
					}
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

// disks of the machine with many devices.
var disks = []string{"vda", "nvme0n1", "sda", "sdb", "sdc"}

// watch looks every 25 ms how many modules are ready and which disks are there, until quit is closed, and returns
// when all disks were there and when the number of modules last changed.
func watch(begin time.Time, quit <-chan struct{}) <-chan [2]time.Duration {
	result := make(chan [2]time.Duration, 1)
	go func() {
		var all, last time.Duration
		count := 0
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for {
			if data, err := os.ReadFile("/proc/modules"); err == nil {
				if n := bytes.Count(data, []byte(" Live ")); n != count {
					count, last = n, time.Since(begin)
				}
			}
			missing := slices.ContainsFunc(disks, func(d string) bool {
				_, err := os.Stat("/sys/class/block/" + d)
				return err != nil
			})
			if all == 0 && !missing {
				all = time.Since(begin)
			}
			select {
			case <-tick.C:
			case <-quit:
				result <- [2]time.Duration{all, last}
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
	watched := watch(begin, quit)
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
		o := &coldplug.Options{Settle: quiet}
		if how == "one" {
			o.Workers = 1
		}
		returned = plug(t, o)
	default:
		t.Fatalf("how=%q", how)
	}
	close(quit)
	times := <-watched
	loaded, err := os.ReadFile("/proc/modules")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for line := range strings.Lines(string(loaded)) {
		name, _, _ := strings.Cut(line, " ")
		names[name] = true
	}
	t.Logf("measured %v %v %v %s", times[0], times[1], returned, strings.Join(slices.Sorted(maps.Keys(names)), ","))
	for line := range strings.Lines(kernelLog(t)) {
		if strings.Contains(line, "Unknown symbol") {
			t.Error(line)
		}
	}
}

// plug runs cold-plug and wants each module loaded once. It returns when the last one was.
func plug(t *testing.T, o *coldplug.Options) (last time.Duration) {
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := coldplug.Run(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, m := range r.Modules {
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
	want := without(coldplugRun(t, "udev", false).modules, fixedRules)
	for i := range runs {
		got := without(coldplugRun(t, "ours", false).modules, fixedRules)
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

// TestColdplugInstructions counts instructions as time: one processor, one instruction a nanosecond, so that the load
// of this computer does not matter. All that parallel loading can save there is waiting; what the drivers compute,
// three quarters of the time, remains. The disks come long before the end, since they have precedence.
func TestColdplugInstructions(t *testing.T) {
	kmodtest.Long(t)
	took := make(map[string]pluggedRun)
	for range runsWanted(t, 3) {
		for _, how := range []string{"ours", "one", "udev"} {
			r := coldplugRun(t, how, false, "-smp", "1", "-icount", "shift=0,sleep=off")
			t.Logf("%s: disks after %v, the last module after %v, returned after %v, %d modules", how, r.disks, r.last, r.returned, len(r.modules))
			if best, ok := took[how]; !ok || r.last < best.last {
				took[how] = r
			}
		}
	}
	ours, one, udev := took["ours"], took["one"], took["udev"]
	for _, c := range []struct {
		what       string
		took, than time.Duration
		most       float64
	}{
		{"all modules, of one by one", ours.last, one.last, 0.80},
		{"all modules, of udev", ours.last, udev.last, 0.66},
		{"disks, of udev", ours.disks, udev.disks, 0.60},
	} {
		ratio := float64(c.took) / float64(c.than)
		t.Logf("%s: %.2f", c.what, ratio)
		if ratio > c.most {
			t.Errorf("%s: %.2f of the time, want at most %.2f", c.what, ratio, c.most)
		}
	}
}

// TestColdplugParallel measures on two processors, by turns, with a thread of this computer for each. Only a computer
// that does nothing else gives figures worth anything.
func TestColdplugParallel(t *testing.T) {
	if os.Getenv("GOMODPROBE_QUIET") == "" {
		t.Skip("measured with GOMODPROBE_QUIET=1, on a computer that does nothing else")
	}
	took := make(map[string][]time.Duration)
	for range runsWanted(t, 4) {
		for _, how := range []string{"ours", "one", "udev"} {
			r := coldplugRun(t, how, true)
			t.Logf("%s: disks after %v, the last module after %v, returned after %v, %d modules", how, r.disks, r.last, r.returned, len(r.modules))
			took[how] = append(took[how], r.last)
		}
	}
	for than, most := range map[string]float64{"one": 0.58, "udev": 0.62} {
		best := float64(slices.Min(took["ours"])) / float64(slices.Min(took[than]))
		t.Logf("best of each: %.2f of %s", best, than)
		if best > most {
			t.Errorf("%.2f of the time of %s, want at most %v", best, than, most)
		}
	}
}

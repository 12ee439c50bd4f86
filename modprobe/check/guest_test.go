//go:build linux

package check_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// A trial is one module offered to a guest's kernel, and what Check says beforehand.
type trial struct {
	from    string // the kernel that the module was built for, or "mutation"
	name    string // of the trial, for people
	file    string // in the guest
	module  string // to be removed afterwards
	flags   int
	params  string
	verdict *check.Verdict
	keep    bool // do not remove it: later trials count on it
}

// text is how a trial is handed to the guest.
func (tr *trial) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind %s %s\ntrial %s\nfile %s\nmodule %s\nflags %d\nparams %q\n", tr.from, tr.verdict.Outcome, tr.name, tr.file, tr.module, tr.flags, tr.params)
	switch {
	case tr.verdict.Outcome == check.Fails:
		fmt.Fprintf(&b, "errno %d\n", int(tr.verdict.Errno))
	case tr.verdict.Outcome == check.Unknown:
		b.WriteString("errno any\n")
	default:
		b.WriteString("errno 0\n")
	}
	for _, l := range tr.verdict.Log {
		fmt.Fprintf(&b, "log %s\n", l)
	}
	for _, l := range tr.verdict.MayLog {
		fmt.Fprintf(&b, "maybe %s\n", l)
	}
	if tr.keep {
		b.WriteString("keep\n")
	}
	b.WriteString("end\n")
	return b.String()
}

// loaderWords are parts of every line that the loader prints and that Check predicts.
var loaderWords = []string{
	"disagrees about version of symbol", "symbol version for", "Unknown symbol", "version magic", "kernel tainted", "taints kernel",
	"tainting kernel", "Invalid ELF", "Invalid architecture", "Invalid module architecture", "ELF Spec violation", "empty section name",
	"module uses symbol", "exports duplicate symbol", "section must", "must occupy", "must match the kernel", "must exist",
	"module has no symbols", "No module found", "is blacklisted", "is rejected", "fno-common", "retpoline compiler", "PKCS#7", "kernel_lockdown",
	"GPL-only symbols", "proprietary module", "staging directory", "invalid section index", "invalid ELF structures", "extended version",
	"invalid for parameter", "too large for parameter", "unknown parameter '", "string parameter too long", "string doesn't fit in",
	"can only take", "dangerous option", "after `--' ignored",
	"rela relocation", "REL relocation", "no flags for exported", "obsolete section", "module namespace", "livepatch support",
}

// TestGuestTrials runs in the guest: it loads every module of the list and compares errno and log with the prediction.
func TestGuestTrials(t *testing.T) {
	vmtest.InGuest(t)
	list, err := os.ReadFile("/trials/list")
	if err != nil {
		t.Fatal(err)
	}
	kmsg, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Seek(kmsg, 0, unix.SEEK_END)
	counts := map[string]*tally{}
	var kind string
	var want, maybe []string
	var name, file, module, errno, params string
	var flags int
	keep := false
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "kind":
			kind = value
		case "trial":
			name, want, maybe, keep = value, nil, nil, false
		case "file":
			file = value
		case "module":
			module = value
		case "flags":
			flags, _ = strconv.Atoi(value)
		case "params":
			params, _ = strconv.Unquote(value)
		case "errno":
			errno = value
		case "log":
			want = append(want, value)
		case "maybe":
			maybe = append(maybe, value)
		case "keep":
			keep = true
		case "end":
			if counts[kind] == nil {
				counts[kind] = new(tally)
			}
			n := counts[kind]
			n.trials++
			got := load(t, name, file, params, flags)
			log := loaderLines(kmsg, module)
			initFailed := errno == "0" && got != 0 && got != syscall.ENOEXEC && len(missing(want, log)) == 0
			switch {
			case got == 0:
				n.loaded++
			case initFailed:
				n.initFailed++
			}
			slices.Sort(want)
			extra := missing(log, append(want, maybe...))
			if lacking := missing(want, log); len(lacking) > 0 || len(extra) > 0 || errno != "any" && !initFailed && errno != strconv.Itoa(int(got)) {
				n.misses++
				t.Errorf("%s: errno %d (%v), predicted %s\n  not printed: %q\n  not predicted: %q", name, int(got), got, errno, lacking, extra)
			}
			if got == 0 && !keep {
				err := unix.DeleteModule(module, unix.O_NONBLOCK)
				for tries := 0; tries < 100 && err == unix.EAGAIN; tries++ { // what init started is still going on
					time.Sleep(50 * time.Millisecond)
					err = unix.DeleteModule(module, unix.O_NONBLOCK)
				}
				if err != nil {
					n.stuck++
					fmt.Printf("stuck %s %v\n", module, err)
				}
			}
		}
	}
	if len(counts) == 0 {
		t.Error("no trials")
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %+v", kind, *counts[kind])
	}
}

// A tally is what became of the trials of one kind.
type tally struct{ trials, loaded, initFailed, stuck, misses int }

// TestGuestKcore compares what the running kernel's memory says it exports with its boot image.
func TestGuestKcore(t *testing.T) {
	vmtest.InGuest(t)
	kallsyms, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	defer kallsyms.Close()
	kcore, err := os.Open("/proc/kcore")
	if os.IsNotExist(err) {
		t.Skip("a kernel without /proc/kcore")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer kcore.Close()
	im, err := kernel.FromKcore(kallsyms, kcore)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/trials/image")
	if err != nil {
		t.Fatal(err)
	}
	im.Way = "" // the only thing that is another
	if got := im.Encode(""); !bytes.Equal(got, want) {
		g, w, _ := firstLines(got, want)
		t.Errorf("%d bytes, want %d; first: %q, want %q", len(got), len(want), g, w)
	}
}

// firstLines returns the first lines in which two texts differ.
func firstLines(a, b []byte) (lineA, lineB []byte, ok bool) {
	for len(a) > 0 || len(b) > 0 {
		lineA, a, _ = bytes.Cut(a, []byte("\n"))
		lineB, b, _ = bytes.Cut(b, []byte("\n"))
		if !bytes.Equal(lineA, lineB) {
			return lineA, lineB, true
		}
	}
	return nil, nil, false
}

// load loads a module. If the kernel never comes back from it, the test says so and switches the machine off: a
// thread that hangs in the kernel cannot be ended.
func load(t *testing.T, name, file, params string, flags int) syscall.Errno {
	fd, err := unix.Open(file, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		name := []byte("modprobe\x00") // which some lines begin with
		unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
		done <- unix.FinitModule(fd, params, flags)
	}()
	select {
	case err = <-done:
	case <-time.After(2 * time.Minute):
		buf := make([]byte, 8<<10)
		n, _ := unix.Klogctl(3, buf) // SYSLOG_ACTION_READ_ALL
		t.Errorf("%s: the kernel does not return\n%s", name, buf[:n])
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	if err == nil {
		return 0
	}
	return err.(syscall.Errno)
}

// loaderLines reads what the kernel has logged since, and keeps the loader's own lines.
func loaderLines(kmsg int, module string) (lines []string) {
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(kmsg, buf)
		if err == unix.EPIPE {
			continue // records were overwritten
		}
		if err != nil || n <= 0 {
			return lines
		}
		_, text, _ := bytes.Cut(buf[:n], []byte{';'})
		line, _, _ := strings.Cut(string(text), "\n")
		for _, w := range loaderWords {
			if strings.Contains(line, w) {
				lines = append(lines, line)
				break
			}
		}
	}
}

// missing returns the strings of a that b lacks.
func missing(a, b []string) (out []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

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
	from    string // the kernel that the module was built for, or what kind of trial it is
	name    string // of the trial, for people
	file    string // in the guest
	module  string // to be removed afterwards
	flags   int
	params  string
	verdict *check.Verdict
	keep    bool // do not remove it: later trials count on it
	strict  bool // it has no init function that could fail
}

// text is how a trial is handed to the guest.
func (tr *trial) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind %s\ntrial %s\nfile %s\nmodule %s\nflags %d\nparams %q\n", tr.from, tr.name, tr.file, tr.module, tr.flags, tr.params)
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
	if tr.verdict.Outcome == check.Loads || tr.verdict.Outcome == check.LoadsTaints {
		fmt.Fprintf(&b, "taint %s\n", letters(tr.verdict.Taints))
	}
	for _, name := range tr.verdict.Needs {
		fmt.Fprintf(&b, "needs %s\n", name)
	}
	if tr.keep {
		b.WriteString("keep\n")
	}
	if tr.strict {
		b.WriteString("strict\n")
	}
	b.WriteString("end\n")
	return b.String()
}

// letters are those of taints, in their order.
func letters(taints []check.Taint) string {
	var b strings.Builder
	for _, t := range taints {
		b.WriteString(t.Letter)
	}
	return sortedLetters(b.String())
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
	g := &guest{t: t, kmsg: kmsg, counts: map[string]*tally{}}
	for line := range strings.Lines(string(list)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		g.line(key, value)
	}
	if len(g.counts) == 0 {
		t.Error("no trials")
	}
	for _, kind := range slices.Sorted(maps.Keys(g.counts)) {
		t.Logf("tally %s: %+v", kind, *g.counts[kind])
	}
}

// A tally is what became of the trials of one kind.
type tally struct {
	loads, fails, unknown                                    int // predicted
	loaded, initFailed, stuck, skipped                       int
	falseLoads, falseFails, wrongErrno, wrongLog, wrongTaint int
}

// A guest offers the modules of a list to the kernel that it runs on.
type guest struct {
	t      *testing.T
	kmsg   int
	counts map[string]*tally

	// The trial that is being read.
	kind, name, file, module, errno, taint, params string
	want, maybe, needs                             []string
	flags                                          int
	keep, strict                                   bool
}

// line takes one line of the list.
func (g *guest) line(key, value string) {
	switch key {
	case "kind":
		*g = guest{t: g.t, kmsg: g.kmsg, counts: g.counts, kind: value}
	case "trial":
		g.name = value
	case "file":
		g.file = value
	case "module":
		g.module = value
	case "flags":
		g.flags, _ = strconv.Atoi(value)
	case "params":
		g.params, _ = strconv.Unquote(value)
	case "errno":
		g.errno = value
	case "log":
		g.want = append(g.want, value)
	case "maybe":
		g.maybe = append(g.maybe, value)
	case "needs":
		g.needs = append(g.needs, value)
	case "taint":
		g.taint = value
	case "keep":
		g.keep = true
	case "strict":
		g.strict = true
	case "remove":
		g.remove(value)
	case "end":
		g.judge()
	}
}

// present tells whether a module is loaded.
func present(module string) bool {
	_, err := os.Stat("/sys/module/" + module + "/refcnt")
	return err == nil
}

// remove removes a module that an earlier trial has left.
func (g *guest) remove(module string) error {
	err := unix.DeleteModule(module, unix.O_NONBLOCK)
	for tries := 0; tries < 100 && err == unix.EAGAIN; tries++ { // what init started is still going on
		time.Sleep(50 * time.Millisecond)
		err = unix.DeleteModule(module, unix.O_NONBLOCK)
	}
	return err
}

// judge loads a module and compares.
func (g *guest) judge() {
	if g.counts[g.kind] == nil {
		g.counts[g.kind] = new(tally)
	}
	n := g.counts[g.kind]
	for _, name := range g.needs {
		if !present(name) { // its own init function failed
			n.skipped++
			return
		}
	}
	got := load(g.t, g.name, g.file, g.params, g.flags)
	log := loaderLines(g.kmsg)
	lacking, extra := missing(g.want, log), missing(log, append(g.want, g.maybe...))
	initFailed := false
	switch g.errno {
	case "any":
		n.unknown++
		lacking, extra = nil, nil
	case "0":
		n.loads++
		initFailed = got != 0 && got != syscall.ENOEXEC && !g.strict && len(lacking) == 0
	default:
		n.fails++
	}
	miss := &n.wrongLog
	switch {
	case g.errno == "any" || g.errno == strconv.Itoa(int(got)) || initFailed:
		if len(lacking) == 0 && len(extra) == 0 {
			miss = nil
		}
	case g.errno == "0":
		miss = &n.falseLoads
	case got == 0:
		miss = &n.falseFails
	default:
		miss = &n.wrongErrno
	}
	if miss != nil {
		*miss++
		g.t.Errorf("miss %s: %s: errno %d (%v), predicted %s\n  not printed: %q\n  not predicted: %q", g.kind, g.name, int(got), got, g.errno, lacking, extra)
	}
	if initFailed {
		n.initFailed++
	}
	if got == 0 {
		n.loaded++
		taint, _ := os.ReadFile("/sys/module/" + g.module + "/taint")
		if has := sortedLetters(string(bytes.TrimSpace(taint))); g.errno == "0" && has != g.taint {
			n.wrongTaint++
			g.t.Errorf("miss %s: %s: taint %q, predicted %q", g.kind, g.name, has, g.taint)
		}
		if g.keep {
			return
		}
		if err := g.remove(g.module); err != nil {
			n.stuck++
			fmt.Printf("stuck %s %v\n", g.module, err)
		}
	}
}

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
func loaderLines(kmsg int) (lines []string) {
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

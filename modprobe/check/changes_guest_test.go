//go:build linux

package check_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

const forceAll = modprobe.IgnoreModversions | modprobe.IgnoreVermagic

// TestForcedGuest forces modules of another build into a kernel that has changed types, none of which they name, and
// its own modules of these names without force: the results must be the same, and the kernel must complain of no forced
// one. Some are used.
func TestForcedGuest(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Long(t)
	for _, pair := range [][2]string{{"6.12.116", "6.12"}, {"6.1.0-53", "6.1"}} {
		t.Run(pair[0]+" on "+pair[1], func(t *testing.T) { forcedGuest(t, pair[0], pair[1]) })
	}
}

// forcedModules is how many modules are forced, but for those that are used: some of them cannot be removed.
const forcedModules = 225

func forcedGuest(t *testing.T, from, key string) {
	old, _ := kmodtest.Corpus(t, from)
	c := debian(t, key, check.Options{BuiltFor: old + "/boot/vmlinuz", Flags: forceAll})
	own := map[string]bool{}
	for _, f := range corpusModules(t, key, func(string) bool { return true }) {
		own[moduleOf(f)] = true
	}
	files := corpusModules(t, from, func(name string) bool {
		return own[name] && !slices.ContainsFunc(unsuitable, func(part string) bool { return strings.Contains(name, part) })
	})
	rand.New(rand.NewPCG(16, 2)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	slices.SortStableFunc(files, func(a, b string) int { return rank(a) - rank(b) })

	classes := map[check.Class]int{}
	o := vmtest.Options{Tests: "^TestGuestForced$", Timeout: time.Hour, Files: map[string][]byte{"trials/ext4": disk(t, "mke2fs", "-q", "-t", "ext4"),
		"trials/vfat": disk(t, "mkfs.vfat"), "trials/minix": disk(t, "mkfs.minix"), "trials/squashfs": squashed(t)}, Modules: []string{"loop", "nls_cp437", "nls_ascii"}}
	var list strings.Builder
	size := 0
	for _, f := range files {
		if len(o.Modules) == forcedModules {
			break
		}
		image := readModule(t, f)
		v := verdict(t, c, f)
		if v.Changes == nil {
			t.Fatalf("%s: %+v", f, v)
		}
		classes[v.Changes.Class]++
		if v.Changes.Class == check.ClassNamesMoved {
			o.Files["trials/moved.ko"] = image
		}
		if v.Changes.Class != check.ClassNoneNamed || v.Outcome == check.Fails { // as one that needs what is gone
			continue
		}
		name := moduleOf(f)
		o.Files["trials/"+name+".ko"] = image
		o.Modules = append(o.Modules, name)
		fmt.Fprintln(&list, name)
		size += 2 * len(image)
	}
	if o.Files["trials/dummy.ko"] == nil || o.Files["trials/moved.ko"] == nil {
		t.Errorf("dummy is none that is drawn, or none names a type that moved")
	}
	_, release := kmodtest.Corpus(t, from)
	o.Files["boot/vmlinuz-"+release] = read(t, old+"/boot/vmlinuz")
	o.Files["trials/list"] = []byte(list.String())
	o.Memory = 1024 + 3*size>>20
	t.Logf("classes of the modules that were drawn: %v", classes)
	vmtest.Run(t, key, o)
}

// rank puts the modules that are used first.
func rank(file string) int {
	if uses[moduleOf(file)] != nil {
		return 0
	}
	return 1
}

// moduleOf is the name of the module in a file.
func moduleOf(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// complaints are what a kernel says when something went wrong in it.
var complaints = []string{"WARNING:", "BUG:", "Oops", "general protection", "Call Trace", "UBSAN", "refcount_t:", "list_add corruption",
	"list_del corruption", "stack guard", "unable to handle", "Bad page", "sysfs: cannot create duplicate"}

// A kernelLog is the log of the guest's kernel, from where it was last read.
type kernelLog int

// complaint returns the first line since the last call that is a complaint, or "".
func (k kernelLog) complaint() (found string) {
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(int(k), buf)
		if err == unix.EPIPE {
			continue // records were overwritten
		}
		if err != nil || n <= 0 {
			return found
		}
		_, line, _ := strings.Cut(string(buf[:n]), ";")
		if found == "" && slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(line, c) }) {
			found = line
		}
	}
}

// warned is the taint of a kernel that has printed a warning.
const warned = 1 << 9

// TestGuestForced runs in the guest.
func TestGuestForced(t *testing.T) {
	vmtest.InGuest(t)
	list, err := os.ReadFile("/trials/list")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Seek(fd, 0, unix.SEEK_END)
	log := kernelLog(fd)
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	loaded, failed, used := 0, 0, 0
	var allowed uint64
	var stuck []string
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSpace(name)
		own, foreign, forcible := inTurn(t, p, name, func() {
			if line := log.complaint(); line != "" { // a self-test that fails in an emulator, for one
				t.Logf("%s, the kernel's own, or what it needs: the kernel says: %s", name, line)
				allowed = warned
			}
		})
		if line := log.complaint(); line != "" {
			t.Errorf("%s: the kernel says: %s", name, line)
		}
		switch {
		case !forcible:
			stuck = append(stuck, name)
			continue
		case own != foreign:
			t.Errorf("%s: %q, the kernel's own %q", name, foreign, own)
		case uses[name] != nil && foreign == "":
			used++
		}
		if foreign == "" {
			loaded++
		} else {
			failed++
		}
	}
	const died, badPage, lockup = 1 << 7, 1 << 5, 1 << 14
	if n := readNumber("/proc/sys/kernel/tainted"); n == 0 || uint64(n)&(died|warned|badPage|lockup)&^allowed != 0 {
		t.Errorf("the kernel is tainted: %#x", n) // at least by the force
	}
	compatible(t)
	if loaded+failed < 200 || used < 5 {
		t.Errorf("%d modules, %d used", loaded+failed, used)
	}
	t.Logf("%d loaded and removed, %d of them used; %d failed in their init, as the kernel's own; %d not forced, as the kernel's own cannot be removed: %q",
		loaded, used, failed, len(stuck), stuck)
}

// compatible forces with modprobe what names nothing that moved, and nothing else.
func compatible(t *testing.T) {
	for file, loads := range map[string]bool{"/trials/dummy.ko": true, "/trials/moved.ko": false} {
		out, err := exec.Command("/sbin/modprobe", "--force-compatible", file).CombinedOutput()
		if _, exited := err.(*exec.ExitError); loads != (err == nil) || !loads && !exited {
			t.Errorf("--force-compatible %s: %v\n%s", file, err, out)
		} else {
			t.Logf("--force-compatible %s: %v\n%s", file, err, out)
		}
		if loads && readWord("/sys/module/dummy/taint") == "" {
			t.Errorf("%s was not forced", file)
		}
	}
	if text := removed("dummy"); text != "" {
		t.Error(text)
	}
}

func readWord(file string) string {
	text, _ := os.ReadFile(file)
	return strings.TrimSpace(string(text))
}

// inTurn loads the kernel's own module and then the other build's by force, and uses both. It returns what became of
// each: "" if all went well. What they need is always the kernel's own. Not forcible: the own cannot be removed. It
// calls between before it forces anything.
func inTurn(t *testing.T, p *modprobe.Prober, name string, between func()) (own, foreign string, forcible bool) {
	plan, err := p.Plan(name, nil)
	if err != nil {
		t.Fatal(name, err)
	}
	own = outcome(t, name, "own", p.Load(context.Background(), name))
	text := removed(name)
	between()
	if text != "" {
		if own == "" {
			return own, "", false
		}
		own += "; " + text
	}
	file, err := os.Open("/trials/" + name + ".ko")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	foreign = outcome(t, name, "forced", p.Insmod(file, "", forceAll))
	if text := removed(name); text != "" {
		foreign += "; " + text
	}
	for _, step := range slices.Backward(plan) {
		removed(step.Module.Name)
	}
	return own, foreign, true
}

// outcome uses a module if it was loaded, and puts what became of it in words.
func outcome(t *testing.T, name, which string, err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case err != nil:
		return err.Error()
	case uses[name] == nil:
		return ""
	}
	if err := uses[name](); err != nil {
		t.Errorf("%s, %s: %v", name, which, err)
		return "cannot be used"
	}
	return ""
}

// removed removes a module and puts what became of it in words: "" if it is gone.
func removed(name string) string {
	err := unix.DeleteModule(name, unix.O_NONBLOCK)
	for tries := 0; tries < 100 && (err == unix.EAGAIN || err == unix.EBUSY && tries < 20); tries++ { // what init started is still going on
		time.Sleep(20 * time.Millisecond)
		err = unix.DeleteModule(name, unix.O_NONBLOCK)
	}
	if err == nil || err == unix.ENOENT {
		return ""
	}
	return "removed: " + err.Error()
}

//go:build linux

package modprobe_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// guestConfig is what modprobe.d says in guests.
const guestConfig = `forbid nls_utf8 for the test
options dummy numdummies=2

install nbd /sbin/modprobe --ignore-install nbd max_part=3 $CMDLINE_OPTS
remove nbd /sbin/modprobe -r --ignore-remove nbd
install nls_cp852 /bin/true
install nls_cp437 /bin/false
install nls_cp850 /bin/nosuch an argument

softdep nls_ascii pre: nls_iso8859-1 post: nls_koi8-r
alias guest-alias-* nls_ascii
blacklist loop
`

// shellLog is where the guest's shell writes down what it is asked to run.
const shellLog = "/run/sh.log"

// TestMain lets this program be the shell of the guest, which has no other: it writes the command down, and runs it
// without looking at more than its blanks.
func TestMain(m *testing.M) {
	if os.Getenv(vmtest.GuestEnv) == "" || filepath.Base(os.Args[0]) != "sh" {
		os.Exit(m.Run())
	}
	log, err := os.OpenFile(shellLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	module, command := os.Getenv("MODPROBE_MODULE"), ""
	switch {
	case len(os.Args) == 3 && os.Args[1] == "-c": // by the command
		command = os.Args[2]
	case len(os.Args) == 6 && os.Args[1] == "-c": // by the library: sh -c SCRIPT sh MODULE COMMAND
		module, command = os.Args[4], os.Args[5]
	}
	words := strings.Fields(command)
	if err != nil || len(words) == 0 {
		fmt.Fprintf(os.Stderr, "sh: %q %v\n", os.Args, err)
		os.Exit(2)
	}
	fmt.Fprintf(log, "%s: %s\n", module, command)
	err = syscall.Exec(words[0], words, os.Environ())
	fmt.Fprintln(os.Stderr, "sh:", words[0], err)
	os.Exit(127)
}

// builtinName returns the name of a module that is a part of the kernel with that key.
func builtinName(t *testing.T, key string) string {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	list, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, "modules.builtin"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(list), "\n")
	return strings.TrimSuffix(filepath.Base(line), ".ko")
}

// guestRun runs a tool of the guest and returns its exit status and what it says.
func guestRun(t *testing.T, dir, name string, args ...string) (status int, output string) {
	t.Helper()
	cmd := exec.Command("/sbin/"+name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// loadedNow returns the names of the loaded modules, the latest first.
func loadedNow(t *testing.T) (list []string) {
	t.Helper()
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := p.Loaded()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		list = append(list, m.Name)
	}
	return list
}

// parameter returns the value a loaded module has for a parameter.
func parameter(module, name string) string {
	data, err := os.ReadFile("/sys/module/" + module + "/parameters/" + name)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

// TestGuestCommands runs install and remove commands: by the shell, and where they are just true or false without it.
func TestGuestCommands(t *testing.T) {
	vmtest.InGuest(t)
	os.Remove(shellLog)
	if status, out := guestRun(t, "/", "modprobe", "nbd", "nbds_max=1"); status != 0 || out != "" {
		t.Errorf("modprobe nbd: %d %s", status, out)
	}
	if devices, parts := parameter("nbd", "nbds_max"), parameter("nbd", "max_part"); devices != "1" || parts != "3" {
		t.Errorf("nbd has nbds_max=%s max_part=%s; want 1 and 3", devices, parts)
	}
	if status, out := guestRun(t, "/", "modprobe", "-r", "nbd"); status != 0 || out != "" {
		t.Errorf("modprobe -r nbd: %d %s", status, out)
	}
	if err := modprobe.Load(t.Context(), "nbd", "nbds_max=2"); err != nil || parameter("nbd", "nbds_max") != "2" {
		t.Errorf("Load(nbd): %v; nbds_max=%s, want 2", err, parameter("nbd", "nbds_max"))
	}
	unload(t, "nbd")
	if status, out := guestRun(t, "/", "modprobe", "-v", "nls_cp852"); status != 0 || out != "install /bin/true \n" {
		t.Errorf("modprobe nls_cp852: %d %q; want /bin/true", status, out)
	}
	if status, out := guestRun(t, "/", "modprobe", "nls_cp437"); status != 1 || !strings.Contains(out, "Error running install command '/bin/false' for module nls_cp437") {
		t.Errorf("modprobe nls_cp437: %d %q; want the failure of /bin/false", status, out)
	}
	if status, out := guestRun(t, "/", "modprobe", "nls_cp850"); status != 1 || !strings.Contains(out, "/bin/nosuch") {
		t.Errorf("modprobe nls_cp850: %d %q; want a failure", status, out)
	}
	if list := loadedNow(t); slices.ContainsFunc(list, func(name string) bool {
		return name == "nbd" || strings.HasPrefix(name, "nls_cp")
	}) {
		t.Errorf("loaded now: %q; want neither nbd nor nls_cp…", list)
	}
	log, _ := os.ReadFile(shellLog)
	const want = "nbd: /sbin/modprobe --ignore-install nbd max_part=3 nbds_max=1\n" +
		"nbd: /sbin/modprobe -r --ignore-remove nbd\n" +
		"nbd: /sbin/modprobe --ignore-install nbd max_part=3 nbds_max=2\n" +
		"nbd: /sbin/modprobe -r --ignore-remove nbd\n" +
		"nls_cp850: /bin/nosuch an argument\n"
	if string(log) != want {
		t.Errorf("the shell was asked for\n%swant\n%s", log, want)
	}
}

// TestGuestOrder loads a module between its softdeps, by its name and by an alias of the configuration.
func TestGuestOrder(t *testing.T) {
	vmtest.InGuest(t)
	for _, name := range []string{"nls_ascii", "nls-ascii", "guest-alias-1"} {
		before := len(loadedNow(t))
		if status, out := guestRun(t, "/", "modprobe", name); status != 0 || out != "" {
			t.Errorf("modprobe %s: %d %s", name, status, out)
		}
		list := loadedNow(t)
		if got := strings.Join(list[:len(list)-before], " "); got != "nls_koi8_r nls_ascii nls_iso8859_1" {
			t.Errorf("modprobe %s loaded, the latest first, %s", name, got)
		}
		if status, out := guestRun(t, "/", "modprobe", "-r", name); status != 0 || out != "" {
			t.Errorf("modprobe -r %s: %d %s", name, status, out)
		}
		if after := loadedNow(t); len(after) != before {
			t.Errorf("modprobe -r %s left %q", name, after)
		}
	}
}

// TestGuestNames loads by what the kernel itself asks for, by paths, what is builtin and what is ruled out.
func TestGuestNames(t *testing.T) {
	vmtest.InGuest(t)
	builtin, err := os.ReadFile("/m/builtin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir, tool, args string
		status          int
		says            string // a part of what is said; "": nothing may be said
		loads           string // what is loaded then, and removed again
	}{
		{"/", "modprobe", "fs-ext4", 0, "", "ext4"},
		{"/", "modprobe", "block-major-7-0", 0, "", ""}, // loop is blacklisted
		{"/", "modprobe", "-b loop", 0, "", ""},
		{"/", "modprobe", "loop max_loop=3", 0, "", "loop"},
		{"/m/plain", "modprobe", "./dummy.ko", 0, "", "dummy"},
		{"/m", "insmod", "plain/dummy.ko numdummies=1", 0, "", "dummy"},
		{"/", "insmod", "/m/crc64/dummy.ko.xz", 0, "", "dummy"},
		{"/", "modprobe", string(builtin), 0, "", ""},
		{"/", "modprobe", "--first-time " + string(builtin), 1, "already in kernel", ""},
		{"/", "modprobe", "-r " + string(builtin), 1, "builtin", ""},
		{"/", "modprobe", "nls_utf8", 1, "for the test", ""},
		{"/", "modprobe", "--allow-forbidden nls_utf8", 0, "", "nls_utf8"},
		{"/", "modprobe", "nosuch", 1, "not found", ""},
		{"/", "modprobe", "-q -- nosuch", 1, "", ""},
		{"/", "rmmod", "nosuch", 1, "not currently loaded", ""},
	} {
		status, out := guestRun(t, tt.dir, tt.tool, strings.Fields(tt.args)...)
		if status != tt.status || tt.says == "" && out != "" || !strings.Contains(out, tt.says) {
			t.Errorf("%s %s: %d %q; want %d %q", tt.tool, tt.args, status, out, tt.status, tt.says)
		}
		list := loadedNow(t)
		for _, name := range []string{"ext4", "loop", "dummy", "nls_utf8"} {
			if slices.Contains(list, name) != (name == tt.loads) {
				t.Errorf("%s %s: loaded now: %q; want %q of them", tt.tool, tt.args, list, tt.loads)
			}
		}
		if tt.loads != "" {
			unload(t, tt.loads)
		}
	}
}

// TestGuestRequestModule has the kernel call modprobe: it wants the driver of a file system.
func TestGuestRequestModule(t *testing.T) {
	vmtest.InGuest(t)
	if path, err := os.ReadFile("/proc/sys/kernel/modprobe"); err != nil || string(path) != "/sbin/modprobe\n" {
		t.Fatalf("kernel.modprobe = %q, %v", path, err)
	}
	syscall.Mount("/dev/null", "/tmp", "ext4", 0, "") // fails, but not before the kernel has asked for the driver
	if list := loadedNow(t); !slices.Contains(list, "ext4") {
		t.Errorf("the kernel asked for ext4; loaded are %q", list)
	}
	unload(t, "ext4")
	if err := syscall.Mount("/dev/null", "/tmp", "nosuchfs", 0, ""); err != syscall.ENODEV {
		t.Errorf("an unknown file system: %v; want ENODEV", err)
	}
}

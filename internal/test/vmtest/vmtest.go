//go:build linux

package vmtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// GuestEnv is set in the environment of programs that the guest's /init starts.
const GuestEnv = "GOMODPROBE_GUEST"

// Options say what the guest gets besides the tests of the calling package.
type Options struct {
	Tests   string            // which tests run in the guest, a pattern as for go test -run; "": ^TestGuest.
	Modules []string          // names or aliases; with what they need they go into the archive
	Files   map[string][]byte // path without a leading slash → content of further files, mode 0755
	Links   map[string]string // path → target of symbolic links
	// Base is archives that come before, its length a multiple of four.
	Base []byte
	// Compression of the archive; what is compressed already goes into a member of its own.
	Compression initramfs.Compression

	Kernel   string        // boot image; "": that of the kernel with the key
	Append   string        // more words for the kernel's command line
	Args     []string      // more arguments for qemu, such as disks
	Memory   int           // MiB; 0: 512
	Parallel bool          // see Machine.Parallel
	Timeout  time.Duration // for one boot with all tests; 0: twenty minutes

	Log func(test, text string) // gets what each test of the guest wrote; may be nil
}

// InGuest skips a test that is not running in a guest.
func InGuest(t testing.TB) {
	t.Helper()
	if os.Getenv(GuestEnv) == "" {
		t.Skip("runs only in a guest, started by the test that calls vmtest.Run")
	}
}

// Run boots the kernel with that key (6.1, 6.12, …) and runs the guest tests of the calling package,
// whose folder is the current one. Each becomes a subtest; a failing one fails with its log.
func Run(t *testing.T, key string, o Options) {
	t.Helper()
	if os.Getenv(GuestEnv) != "" {
		t.Skip("already in a guest")
	}
	if testing.Short() {
		t.Skip("-short: no guests")
	}
	arch := ""
	switch {
	case strings.HasSuffix(key, ":i386"):
		arch = "i386"
	case key == "uml":
		arch = UserMode
	}
	if _, err := exec.LookPath(Qemu); err != nil && arch != UserMode {
		kmodtest.Missing(t, "%s is not installed; apt-get install qemu-system-x86", Qemu)
	}
	tree, release := kmodtest.Corpus(t, key)
	if o.Tests == "" {
		o.Tests = "^TestGuest."
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Minute
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := writeImage(t, image, tree, release, arch, &o); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.v", "-test.run=" + o.Tests, "-test.timeout=0"}
	for i, a := range args {
		args[i] = url.QueryEscape(a)
	}
	if o.Kernel == "" {
		o.Kernel = filepath.Join(tree, "boot/vmlinuz")
	}
	var console, results bytes.Buffer
	m := Machine{
		Arch: arch, Kernel: o.Kernel, Initrd: image, Memory: o.Memory, Args: o.Args, Timeout: o.Timeout,
		Parallel: o.Parallel,
		Append:   "quiet guest.run=/guest.test guest.args=" + strings.Join(args, ",") + " " + o.Append,
		Console:  &console, Results: &results,
	}
	status, err := m.Boot(t.Context())
	report(t, status, err, results.Bytes(), console.Bytes(), o.Log)
}

// report makes subtests of what the guest's tests said.
func report(t *testing.T, status int, err error, results, console []byte, log func(test, text string)) {
	t.Helper()
	list, rest := parse(results)
	failed := false
	for _, r := range list {
		if log != nil {
			log(r.name, r.log)
		}
		t.Run(r.name, func(t *testing.T) {
			switch r.verdict {
			case "PASS":
				t.Log(r.log)
			case "SKIP":
				t.Skip(r.log)
			default:
				failed = true
				t.Error(r.log)
			}
		})
	}
	switch {
	case err != nil:
		t.Errorf("%v\nconsole:\n%s\nresults:\n%s", err, console, rest)
	case status == StatusPass && len(list) == 0:
		t.Errorf("no test ran in the guest\nresults:\n%s", rest)
	case status == StatusPass || status == StatusFail && failed:
	case status == 0 && len(list) > 0 && mute(console) && strings.HasSuffix(strings.TrimSpace(rest), "PASS"):
		// Debian's cloud kernels have no /dev/port: the results have come to their end, that must do.
	default:
		t.Errorf("qemu ended with status %d, want %d\nconsole:\n%s\nresults:\n%s", status, StatusPass, console,
			rest)
	}
	if failed {
		t.Logf("console:\n%s\nrest of the results:\n%s", console, rest)
	}
}

// mute tells whether the guest had no way to give qemu an exit status.
func mute(console []byte) bool {
	return bytes.Contains(console, []byte("the machine cannot tell its result"))
}

// result is what one top-level test in the guest came to.
type result struct {
	name    string
	verdict string // PASS, FAIL, SKIP; "" if the guest ended during it
	log     string
}

// parse splits the output of a test binary run with -test.v into its tests and the rest.
func parse(out []byte) (list []result, rest string) {
	text := strings.ReplaceAll(string(out), "\r\n", "\n")
	var other strings.Builder
	var current *result
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "=== RUN   "); ok && !strings.Contains(name, "/") {
			list = append(list, result{name: strings.TrimSpace(name)})
			current = &list[len(list)-1]
			continue
		}
		if current == nil {
			other.WriteString(line)
			continue
		}
		if v, ok := strings.CutPrefix(line, "--- "); ok {
			verdict, name, _ := strings.Cut(v, ": ")
			if name, _, _ = strings.Cut(name, " "); name == current.name {
				current.verdict = verdict
				continue
			}
		}
		if line == "PASS\n" || line == "FAIL\n" || strings.HasPrefix(line, "guest: ") {
			current = nil
			other.WriteString(line)
			continue
		}
		current.log += line
	}
	return list, other.String()
}

// moduleRoot returns the folder of go.mod above the current one.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
	}
}

// Build compiles a command of this module, or with test the tests of the package in dir, statically.
func Build(ctx context.Context, to, pkg, dir string, test bool) error {
	return build(ctx, "", to, pkg, dir, test)
}

// build is Build for a processor, as Debian calls it; "": that of this computer.
func build(ctx context.Context, arch, to, pkg, dir string, test bool) error {
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg}
	if test {
		args = []string{"test", "-c", "-ldflags=-s -w", "-o", to, pkg}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if arch == "i386" {
		cmd.Env = append(cmd.Env, "GOARCH=386")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

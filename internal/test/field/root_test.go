//go:build linux

package field_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// field skips a test unless it was asked for.
func field(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("GOMODPROBE_FIELD") == "" {
		t.Skip("run by make test-field")
	}
	if os.Geteuid() != 0 {
		kmodtest.Missing(t, "this needs root rights")
	}
	for _, p := range append(programs, "unshare", "setpriv", "chroot") {
		kmodtest.Programs(t, p)
	}
}

// proved says what a test has shown; make test-field prints it.
func proved(t *testing.T, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Logf("proved: "+format, args...)
	}
}

// products are made once for all tests.
var products struct {
	once sync.Once
	dir  string
	err  error
}

// dist returns a folder with the Debian package and the container image of this computer's architecture.
func dist(t *testing.T) string {
	t.Helper()
	products.once.Do(func() {
		if products.dir, products.err = os.MkdirTemp("", "gomodprobe-dist-"); products.err != nil {
			return
		}
		cmd := exec.Command("go", "run", "../../release", "-o", products.dir, "-arch", "host", "deb", "oci")
		cmd.Stderr = os.Stderr
		products.err = cmd.Run()
	})
	if products.err != nil {
		t.Fatal(products.err)
	}
	return products.dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if products.dir != "" {
		os.RemoveAll(products.dir)
	}
	os.Exit(code)
}

// A root is a file system to work in: an overlay of another one that stays as it is.
type root struct {
	lower, upper, work string
}

// debian returns an overlay of the Debian root.
func debian(t *testing.T) *root {
	t.Helper()
	cmd := exec.Command("sh", "chroot.sh")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 3 {
		kmodtest.Missing(t, "%s", strings.TrimSpace(stderr.String()))
	}
	if err != nil {
		t.Fatalf("chroot.sh: %v\n%s", err, &stderr)
	}
	return overlay(t, strings.TrimSpace(string(out)))
}

// overlay returns a root in which changes to lower are seen by nobody else.
func overlay(t *testing.T, lower string) *root {
	t.Helper()
	dir := t.TempDir()
	r := &root{lower, filepath.Join(dir, "upper"), filepath.Join(dir, "work")}
	for _, d := range []string{r.upper, r.work, filepath.Join(dir, "root")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// install installs the Debian package and, if switched, makes modprobe and the others mean ours.
func (r *root) install(t *testing.T, switched bool) {
	t.Helper()
	debs, err := filepath.Glob(filepath.Join(dist(t), "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages: %q, %v", debs, err)
	}
	data, err := os.ReadFile(debs[0])
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "tmp/gomodprobe.deb", data, 0o644)
	r.run(t, "dpkg -i /tmp/gomodprobe.deb")
	if switched {
		r.run(t, "gomodprobe-switch on")
	}
}

// write puts a file into the root.
func (r *root) write(t *testing.T, name string, data []byte, mode os.FileMode) {
	t.Helper()
	to := filepath.Join(r.upper, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		t.Fatal(err)
	}
}

// inside is run in a mount namespace of its own: it puts the root together, and enters it without the right to load
// modules. $1 lower, $2 upper, $3 work, $4 where; the rest is the command.
const inside = `set -e
mount -t overlay overlay -o lowerdir="$1",upperdir="$2",workdir="$3" "$4"
root=$4
shift 4
for d in proc dev sys; do [ -d "$root/$d" ] || $MKDIRS mkdir "$root/$d" 2>/dev/null || :; done
[ ! -d "$root/proc" ] || mount -t proc proc "$root/proc"
[ ! -d "$root/dev" ] || mount --rbind /dev "$root/dev"
cd /
exec $CAPS chroot "$root" "$@"`

// command returns a command that runs in the root; nothing of it stays when it ends.
func (r *root) command(ctx context.Context, args ...string) *exec.Cmd {
	return r.enter(ctx, "setpriv --bounding-set=-sys_module --inh-caps=-sys_module", args...)
}

func (r *root) enter(ctx context.Context, caps string, args ...string) *exec.Cmd {
	args = append([]string{
		"-m", "-p", "-u", "-i", "-f", "--kill-child", "--propagation", "private", "sh", "-c", inside, "inside",
		r.lower, r.upper, r.work, filepath.Join(filepath.Dir(r.upper), "root"),
	}, args...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"SOURCE_DATE_EPOCH=1700000000", "MKDIRS=:", "CAPS=" + caps,
	}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs a shell script in the root and returns all that it prints; a failure ends the test.
func (r *root) run(t *testing.T, script string) string {
	t.Helper()
	out, err := r.command(t.Context(), "sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// release is the kernel in the Debian root.
func (r *root) release(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(r.lower, "lib/modules/*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("kernels in %s: %q, %v", r.lower, names, err)
	}
	return filepath.Base(names[0])
}

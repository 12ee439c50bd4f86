//go:build linux

package field_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// uroot is u-root's image builder and a Go workspace of u-root's sources and ours, where it finds commands.
type uroot struct{ program, dir, self string }

// newUroot builds u-root of the version that go.mod names.
func newUroot(t *testing.T) *uroot {
	t.Helper()
	self, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	u := &uroot{dir: t.TempDir(), self: self}
	u.program = filepath.Join(u.dir, "bin/u-root")
	version := strings.TrimSpace(goCommand(t, self, "list", "-m", "-f", "{{.Version}}", "github.com/u-root/u-root"))
	sources := strings.TrimSpace(goCommand(t, self, "list", "-m", "-f", "{{.Dir}}", "github.com/u-root/u-root"))
	install := exec.Command("go", "install", "github.com/u-root/u-root@"+version)
	install.Dir = u.dir
	install.Env = append(os.Environ(), "GOBIN="+filepath.Dir(u.program), "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		kmodtest.Missing(t, "u-root %s cannot be built: %v\n%s", version, err, out)
	}
	if err := os.CopyFS(filepath.Join(u.dir, "u-root"), os.DirFS(sources)); err != nil {
		t.Fatal(err)
	}
	goCommand(t, u.dir, "work", "init", "./u-root", self)
	return u
}

func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// image builds an image; args are u-root's.
func (u *uroot) image(t *testing.T, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(u.dir, name+".cpio")
	cmd := exec.CommandContext(t.Context(), u.program, append([]string{"-o", file}, args...)...)
	cmd.Dir = u.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("u-root: %v\n%s", err, out)
	}
	return file
}

// ours are our commands as u-root wants them.
func (u *uroot) ours() []string {
	var dirs []string
	for _, name := range []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod"} {
		dirs = append(dirs, filepath.Join(u.self, "cmd", name))
	}
	return dirs
}

// core are commands of u-root.
func core(names ...string) []string {
	for i, name := range names {
		names[i] = "./u-root/cmds/core/" + name
	}
	return names
}

// uinit is what u-root's init runs in the guest.
const uinit = `
check() { echo "$2" >/tmp/check.sh; if gosh /tmp/check.sh >/tmp/out 2>&1; then echo "ok $1"; else echo "not ok $1 | $(cat /tmp/out)"; fi; }
check 'modprobe by name, with what it needs' 'modprobe -v ip_vs && grep "^ip_vs " /proc/modules && grep "^nf_conntrack " /proc/modules'
check 'modprobe -abq, aliases' 'modprobe -abq fs-squashfs && grep "^squashfs " /proc/modules'
check 'modprobe -r' 'modprobe -rv squashfs ip_vs || exit 1; [ ! -d /sys/module/squashfs ] && [ ! -d /sys/module/ip_vs ]'
check 'the kernel itself starts modprobe' '! grep "^squashfs " /proc/modules; mount -t squashfs /dev/loop0 /tmp; grep "^squashfs " /proc/modules'
check 'modinfo, lsmod, rmmod, insmod' 'modinfo -F license squashfs | grep GPL && lsmod | grep squashfs && rmmod squashfs && insmod $(modinfo -n squashfs)'
check 'a program of its own with package modprobe' '[ ! -d /sys/module/ip_vs ] && initmodules ip_vs && [ -d /sys/module/ip_vs ]'
check 'modprobe --show-depends' 'modprobe -D ip_vs | grep nf_conntrack.ko'
echo 'guest: done'
shutdown
`

// TestUroot builds an image with our commands in u-root's way, boots it, and loads modules in it, also by the
// kernel's own call of /sbin/modprobe.
func TestUroot(t *testing.T) {
	field(t, vmtest.Qemu)
	u := newUroot(t)
	tree, V := kmodtest.Corpus(t, "6.1-cloud")
	modules := "lib/modules/" + V
	var args []string
	for _, name := range []string{"dep.bin", "alias.bin", "symbols.bin", "builtin.bin", "builtin.alias.bin", "softdep", "builtin.modinfo"} {
		args = append(args, "-files", fmt.Sprintf("%s/%s/modules.%s:%[2]s/modules.%[3]s", tree, modules, name))
	}
	for _, file := range closure(t, filepath.Join(tree, modules), "ip_vs", "squashfs") {
		args = append(args, "-files", fmt.Sprintf("%s/%s/%s:%[2]s/%[3]s", tree, modules, file))
	}
	text := u.boot(t, tree, "test", args...)
	checks(t, text, text)
	proved(t, "u-root with our six commands boots and loads modules by name, alias and for the kernel; testdata/examples/initmodules does it as a library")
}

// boot builds an image whose init runs uinit, of our commands and some of u-root's, boots it and returns what came
// out of the console. args are u-root's options for the modules.
func (u *uroot) boot(t *testing.T, tree, name string, args ...string) string {
	t.Helper()
	script := filepath.Join(u.dir, "uinit.sh")
	if err := os.WriteFile(script, []byte(uinit), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(u.dir, "modprobe-link")
	if err := os.Symlink("../bbin/modprobe", link); err != nil {
		t.Fatal(err)
	}
	args = append(args, "-initcmd=init", "-defaultsh=gosh", "-uinitcmd=gosh /uinit.sh", "-files", script+":uinit.sh", "-files", link+":sbin/modprobe")
	args = append(args, core("init", "gosh", "cat", "grep", "mount", "echo", "shutdown")...)
	args = append(args, filepath.Join(u.self, "testdata/examples/initmodules"))
	image := u.image(t, name, append(args, u.ours()...)...)
	var console bytes.Buffer
	m := vmtest.Machine{Kernel: filepath.Join(tree, "boot/vmlinuz"), Initrd: image, Append: "loglevel=3", Console: &console, Timeout: 20 * time.Minute}
	if _, err := m.Boot(t.Context()); err != nil && !strings.Contains(console.String(), "guest: done") {
		t.Errorf("%v", err)
	}
	return strings.ReplaceAll(console.String(), "\r\n", "\n")
}

// closure returns the files of modules and of what they need.
func closure(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, name := range names {
			if filepath.Base(file) == name+".ko" {
				files = append(append(files, file), strings.Fields(needs)...)
			}
		}
	}
	return files
}

// TestUrootSizes builds images with and without our commands and says what they add.
func TestUrootSizes(t *testing.T) {
	field(t, "xz")
	u := newUroot(t)
	size := func(name string, args []string) (plain, xz int64) {
		image := u.image(t, name, append([]string{"-initcmd=init", "-defaultsh=gosh"}, args...)...)
		out, err := exec.Command("sh", "-c", `xz -9 --check=crc32 -T1 -c "$1" | wc -c`, "sh", image).Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(out), &xz); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(image)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-40s %9d bytes, xz %9d", name, info.Size(), xz)
		return info.Size(), xz
	}
	p0, x0 := size("init and gosh", core("init", "gosh"))
	size("with u-root's insmod, lsmod, rmmod, modprobe", append(core("init", "gosh", "insmod", "lsmod", "rmmod"), "./u-root/cmds/exp/modprobe"))
	p1, x1 := size("with ours", append(core("init", "gosh"), u.ours()...))
	q0, y0 := size("all of core", core("*"))
	q1, y1 := size("core, ours for insmod, lsmod, rmmod", append([]string{
		"./u-root/cmds/core/*", "-./u-root/cmds/core/insmod", "-./u-root/cmds/core/lsmod", "-./u-root/cmds/core/rmmod",
	}, u.ours()...))
	proved(t, "our six commands add %d bytes to a small image (xz: %d), %d to core (xz: %d)", p1-p0, x1-x0, q1-q0, y1-y0)
}

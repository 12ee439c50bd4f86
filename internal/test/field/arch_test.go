//go:build linux

package field_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// architectures are machines that qemu imitates and Debian has kernels for.
var architectures = []struct {
	debian, qemu, console string
	env                   []string // for go build
	args                  []string
}{
	{"arm64", "qemu-system-aarch64", "ttyAMA0", []string{"GOARCH=arm64"}, []string{"-M", "virt", "-cpu", "cortex-a57"}},
	{"armhf", "qemu-system-arm", "ttyAMA0", []string{"GOARCH=arm", "GOARM=7"}, []string{"-M", "virt", "-cpu", "cortex-a15"}},
	{"s390x", "qemu-system-s390x", "ttysclp0", []string{"GOARCH=s390x"}, []string{"-M", "s390-ccw-virtio", "-cpu", "max"}},
	{"ppc64el", "qemu-system-ppc64", "hvc0", []string{"GOARCH=ppc64le"}, []string{"-M", "pseries,cap-htm=off", "-cpu", "power9"}},
}

// TestArchitectures boots Debian's 6.1 kernels for other architectures, big-endian and 32-bit among them, with an
// archive that goinitramfs made here for them, and loads modules.
func TestArchitectures(t *testing.T) {
	field(t)
	host := kmodtest.Build(t)
	for _, a := range architectures {
		t.Run(a.debian, func(t *testing.T) {
			kmodtest.Programs(t, a.qemu)
			tree, release := kmodtest.Corpus(t, "6.1:"+a.debian)
			dir := t.TempDir()
			for name, pkg := range map[string]string{"gomodprobe": "../../../cmd/gomodprobe", "init": "./guest"} {
				cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
				cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), a.env...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("go build: %v\n%s", err, out)
				}
			}
			image := filepath.Join(dir, "image")
			build := exec.Command(host, "build", "-o", image, "--root", tree, "-k", release, "--tables=all", "--file", filepath.Join(tree, "boot/vmlinuz")+":/boot/vmlinuz-"+release,
				"--program", filepath.Join(dir, "gomodprobe"), "--init", filepath.Join(dir, "init"),
				"--add", "ext4", "--add", "loop", "--add", "squashfs")
			build.Args[0] = "goinitramfs"
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("goinitramfs: %v\n%s", err, out)
			}
			args := append(a.args, "-smp", "1", "-m", "1024", "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
				"-kernel", filepath.Join(tree, "boot/vmlinuz"), "-initrd", image, "-append", "console="+a.console+" panic=-1 quiet")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Minute, errors.New("it took longer than 30 minutes"))
			defer cancel()
			var console bytes.Buffer
			qemu := exec.CommandContext(ctx, a.qemu, args...)
			qemu.Stdout, qemu.Stderr = &console, &console
			if err := qemu.Run(); err != nil {
				t.Errorf("%s: %v (%v)", a.qemu, err, context.Cause(ctx))
			}
			text := strings.ReplaceAll(console.String(), "\r", "")
			checks(t, text, text)
			proved(t, "Debian's kernel %s for %s boots from goinitramfs' archive, and modules load, unload and take parameters", release, a.debian)
		})
	}
}

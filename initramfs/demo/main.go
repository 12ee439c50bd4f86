//go:build linux

// Command demo shows gomodprobe at work: it builds the static binary, takes a Debian kernel, makes an image with
// goinitramfs, boots it in qemu and lets a program in there load and remove modules. "make demo" runs it.
//
// The environment may say what to boot: KERNEL is the key of a Debian kernel (5.10, 6.1, 6.12, 7.2; 6.1 if not set),
// or the path of a boot image, and MODULES the path of its modules. What cannot be fetched is replaced: by the
// kernel of this machine, and without qemu by a made tree and a kernel that only remembers.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/vmtest"
)

func main() {
	start := time.Now()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	fmt.Printf("\nAll of it worked. It took %.1f s.\n", time.Since(start).Seconds())
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }

func run() error {
	tmp, err := os.MkdirTemp("", "gomodprobe-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	ctx := context.Background()
	tool := filepath.Join(tmp, "goinitramfs")
	say("building gomodprobe, static and stripped")
	if err := vmtest.Build(ctx, tool, "./cmd/gomodprobe", ".", false); err != nil {
		return err
	}
	info, err := os.Stat(tool)
	if err != nil {
		return err
	}
	say("it has %d bytes", info.Size())
	if _, err := exec.LookPath(vmtest.Qemu); err != nil {
		say("%s is not here (apt-get install qemu-system-x86), so no real kernel can be booted", vmtest.Qemu)
		return fake(ctx, tmp)
	}
	k, err := chooseKernel(tmp)
	if errors.Is(err, errNoKernel) {
		say("%v, so no real kernel can be booted", err)
		return fake(ctx, tmp)
	} else if err != nil {
		return err
	}
	image, err := pack(ctx, tmp, tool, k)
	if err != nil {
		return err
	}
	return boot(ctx, k, image)
}

// kernel is what is booted.
type kernel struct {
	image   string // boot image
	root    string // folder with lib/modules/release
	release string
}

var errNoKernel = errors.New("there is no kernel to boot")

// chooseKernel does as the environment says, or takes what it can get.
func chooseKernel(tmp string) (*kernel, error) {
	want, modules := os.Getenv("KERNEL"), os.Getenv("MODULES")
	switch {
	case strings.Contains(want, "/"):
		if modules == "" {
			return nil, errors.New("KERNEL is a path, so MODULES must be the path of its modules, such as /lib/modules/6.1.0-50-amd64")
		}
		return given(tmp, want, modules)
	case modules != "":
		return nil, errors.New("MODULES goes with the path of a boot image in KERNEL")
	case want == "":
		want = "6.1"
	}
	say("taking Debian's kernel %s (fetched once, then kept)", want)
	var stderr bytes.Buffer
	cmd := exec.Command("sh", "internal/kmodtest/fetch.sh", "kernel", want)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		return nil, fmt.Errorf("fetching kernel %s: %w\n%s", want, err, stderr.String())
	}
	if err == nil {
		dir := strings.TrimSpace(string(out))
		release, err := os.ReadFile(filepath.Join(dir, "release"))
		if err != nil {
			return nil, err
		}
		return &kernel{filepath.Join(dir, "boot/vmlinuz"), dir, strings.TrimSpace(string(release))}, nil
	}
	say("it cannot be fetched: %s", strings.TrimSpace(stderr.String()))
	return own(tmp)
}

// given uses a boot image and modules named by the user.
func given(tmp, image, modules string) (*kernel, error) {
	modules, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{image, filepath.Join(modules, "modules.dep")} {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	release := filepath.Base(modules)
	root := filepath.Join(tmp, "root")
	if err := os.MkdirAll(filepath.Join(root, "lib/modules"), 0o755); err != nil {
		return nil, err
	}
	return &kernel{image, root, release}, os.CopyFS(filepath.Join(root, "lib/modules", release), os.DirFS(modules))
}

// own uses the kernel that this machine runs.
func own(tmp string) (*kernel, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	release := unix.ByteSliceToString(u.Release[:])
	k, err := given(tmp, "/boot/vmlinuz-"+release, "/lib/modules/"+release)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoKernel, err)
	}
	say("taking this machine's own kernel instead, %s", release)
	return k, nil
}

// config is what the guest finds in /etc/modprobe.d.
const config = "options loop max_part=3\nsoftdep macvlan pre: dummy\n"

// pack makes the image.
func pack(ctx context.Context, tmp, tool string, k *kernel) (string, error) {
	init := filepath.Join(tmp, "init")
	if err := vmtest.Build(ctx, init, "./initramfs/demo/guest", ".", false); err != nil {
		return "", err
	}
	conf := filepath.Join(tmp, "demo.conf")
	if err := os.WriteFile(conf, []byte(config), 0o644); err != nil {
		return "", err
	}
	image := filepath.Join(tmp, "image")
	args := []string{"build", "-v", "-o", image, "-k", k.release, "--root=" + k.root, "--init=" + init,
		"--file=" + conf + ":etc/modprobe.d/demo.conf"}
	for _, m := range []string{"ext4", "ahci", "loop", "macvlan", "dummy", "fs-minix"} {
		args = append(args, "--add="+m)
	}
	say("making an image: goinitramfs %s", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("goinitramfs: %w", err)
	}
	info, err := os.Stat(image)
	if err != nil {
		return "", err
	}
	say("it has %d bytes", info.Size())
	return image, nil
}

// boot runs the guest.
func boot(ctx context.Context, k *kernel, image string) error {
	say("booting Linux %s in qemu (software emulation, so it takes some seconds)", k.release)
	m := vmtest.Machine{Kernel: k.image, Initrd: image, Append: "quiet", Console: os.Stdout, Timeout: 10 * time.Minute}
	m.Waiting = func() { say("another guest runs here; waiting for its end") }
	start := time.Now()
	status, err := m.Boot(ctx)
	if err != nil {
		return err
	}
	if status != vmtest.StatusPass {
		return fmt.Errorf("qemu ended with status %d, want %d: the machine did not do all of it", status, vmtest.StatusPass)
	}
	say("the machine did all of it in %.1f s", time.Since(start).Seconds())
	return nil
}

//go:build linux

// Command demo shows gomodprobe at work: it builds the static binary, takes a Debian kernel, makes an image with
// goinitramfs and a disk with a small system, and boots in qemu: /init of the image finds drivers for the devices and
// starts the system on the disk, where a program loads and removes modules. "make demo" runs it.
//
// The environment may say what to boot: KERNEL is the key of a Debian kernel (5.10, 6.1, 6.12, 7.2; 6.1 if not set),
// or the path of a boot image, and MODULES the path of its modules. Where no kernel was asked for and 6.1 cannot be
// fetched, it takes the kernel of this machine; without that, or without qemu, a made tree and a kernel that only
// remembers. It says so, and why, at the start and at the end.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

func main() {
	start := time.Now()
	why, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	took := time.Since(start).Seconds()
	if why != "" {
		fmt.Printf("\nIt worked on a FAKE kernel only, which loads nothing; no real kernel was booted: %s. "+
			"It took %.1f s.\n", why, took)
		return
	}
	fmt.Printf("\nAll of it worked. It took %.1f s.\n", took)
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }

// run returns why it had to do with the fake kernel, or "" if it booted a real one.
func run() (why string, err error) {
	tmp, err := os.MkdirTemp("", "gomodprobe-demo-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	ctx := context.Background()
	tool := filepath.Join(tmp, "goinitramfs")
	say("building gomodprobe, static and stripped")
	if err := vmtest.Build(ctx, tool, "./cmd/gomodprobe", ".", false); err != nil {
		return "", err
	}
	info, err := os.Stat(tool)
	if err != nil {
		return "", err
	}
	say("it has %d bytes", info.Size())
	for program, pkg := range map[string]string{vmtest.Qemu: "qemu-system-x86", "mke2fs": "e2fsprogs"} {
		if _, err := exec.LookPath(program); err != nil {
			why = fmt.Sprintf("%s is not here (apt-get install %s)", program, pkg)
			return why, fake(ctx, tmp, why)
		}
	}
	k, err := chooseKernel(tmp)
	if errors.Is(err, errNoKernel) {
		return err.Error(), fake(ctx, tmp, err.Error())
	} else if err != nil {
		return "", err
	}
	image, err := pack(ctx, tmp, tool, k)
	if err != nil {
		return "", err
	}
	disk, err := install(ctx, tmp, tool, k)
	if err != nil {
		return "", err
	}
	return "", boot(ctx, k, image, disk)
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
	asked := want != ""
	switch {
	case strings.Contains(want, "/"):
		if modules == "" {
			return nil, errors.New("KERNEL is a path, so MODULES must be the path of its modules, such " +
				"as /lib/modules/6.1.0-50-amd64")
		}
		return given(tmp, want, modules)
	case modules != "":
		return nil, errors.New("MODULES goes with the path of a boot image in KERNEL")
	case want == "":
		want = "6.1"
	}
	say("taking Debian's kernel %s (fetched once, then kept)", want)
	var stderr bytes.Buffer
	cmd := exec.Command("sh", "internal/test/kmodtest/fetch.sh", "kernel", want)
	cmd.Stderr = io.MultiWriter(os.Stderr, &stderr)
	out, err := cmd.Output()
	if err == nil {
		dir := strings.TrimSpace(string(out))
		release, err := os.ReadFile(filepath.Join(dir, "release"))
		if err != nil {
			return nil, err
		}
		return &kernel{filepath.Join(dir, "boot/vmlinuz"), dir, strings.TrimSpace(string(release))}, nil
	}
	said := strings.TrimSpace(stderr.String())
	said = strings.TrimPrefix(said[strings.LastIndexByte(said, '\n')+1:], "fetch: ")
	var exit *exec.ExitError
	if asked || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		return nil, fmt.Errorf("kernel %s cannot be fetched: %w: %s", want, err, said)
	}
	say("kernel %s cannot be fetched: %s", want, said)
	k, err := own(tmp)
	if errors.Is(err, errNoKernel) {
		err = fmt.Errorf("kernel %s cannot be fetched (%s), and this machine's own cannot be taken: %w", want,
			said, err)
	}
	return k, err
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

// pack makes the image: gomodprobe, and drivers for some of the machine's devices and the file system of its disk.
func pack(ctx context.Context, tmp, tool string, k *kernel) (string, error) {
	image := filepath.Join(tmp, "image")
	args := []string{"build", "-v", "-o", image, "-k", k.release, "--root=" + k.root}
	for _, m := range []string{"ext4", "virtio_pci", "virtio_blk", "virtio_balloon", "virtio_rng", "xhci_pci",
		"usbhid", "nvme"} {
		args = append(args, "--add="+m)
	}
	if err := goinitramfs(ctx, tool, args...); err != nil {
		return "", err
	}
	info, err := os.Stat(image)
	if err != nil {
		return "", err
	}
	say("it has %d bytes", info.Size())
	return image, nil
}

// goinitramfs shows a command and runs it.
func goinitramfs(ctx context.Context, tool string, args ...string) error {
	say("goinitramfs %s", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, tool, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("goinitramfs: %w\n%s", err, out)
	}
	if args[0] == "build" {
		// extract says that it makes no device nodes, which the system gets from the kernel
		os.Stdout.Write(out)
	}
	return nil
}

// config is what the guest finds in /etc/modprobe.d.
const config = "options loop max_part=3\nsoftdep macvlan pre: dummy\n"

// install makes the disk: a file system with gomodprobe, more modules, and the program that shows them.
func install(ctx context.Context, tmp, tool string, k *kernel) (string, error) {
	root, archive, disk := filepath.Join(tmp, "system"), filepath.Join(tmp, "archive"), filepath.Join(tmp, "disk")
	say("making the disk with a small system")
	args := []string{"build", "-o", archive, "-k", k.release, "--root=" + k.root, "--no-init"}
	for _, m := range []string{"dm_thin_pool", "ahci", "loop", "macvlan", "dummy", "fs-minix"} {
		args = append(args, "--add="+m)
	}
	if err := goinitramfs(ctx, tool, args...); err != nil {
		return "", err
	}
	if err := goinitramfs(ctx, tool, "extract", archive, root); err != nil {
		return "", err
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "mnt", "sbin", "etc/modprobe.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/modprobe.d/demo.conf"), []byte(config), 0o644); err != nil {
		return "", err
	}
	if err := vmtest.Build(ctx, filepath.Join(root, "sbin/init"), "./initramfs/demo/guest", ".",
		false); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "mke2fs", "-q", "-t", "ext4", "-L", "demo", "-d", root, disk,
		"128M").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("mke2fs: %w\n%s", err, out)
	}
	return disk, nil
}

// limit is how long the guest may take: ten minutes, and as many times longer as others want this machine's
// processors, too. A quiet one needs half a minute.
func limit() time.Duration {
	const quiet = 10 * time.Minute
	var load float64
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return quiet
	}
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return quiet
	}
	return time.Duration(float64(quiet) * (1 + load/float64(runtime.NumCPU())))
}

// boot runs the guest.
func boot(ctx context.Context, k *kernel, image, disk string) error {
	say("booting Linux %s in qemu (software emulation, so it takes some seconds)", k.release)
	m := vmtest.Machine{
		Kernel: k.image, Initrd: image, Append: "quiet root=LABEL=demo", Console: os.Stdout,
		Timeout: limit(),
		Args: []string{"-drive", "file=" + disk + ",format=raw,if=none,id=disk", "-device",
			"virtio-blk-pci,drive=disk",
			"-device", "virtio-rng-pci", "-device", "virtio-balloon-pci", "-device", "qemu-xhci", "-device",
			"usb-kbd"},
	}
	m.Waiting = func() { say("another guest runs here; waiting for its end") }
	start := time.Now()
	status, err := m.Boot(ctx)
	if err != nil {
		return err
	}
	if status != vmtest.StatusPass {
		return fmt.Errorf("qemu ended with status %d, want %d: the machine did not do all of it", status,
			vmtest.StatusPass)
	}
	say("the machine did all of it in %.1f s", time.Since(start).Seconds())
	return nil
}

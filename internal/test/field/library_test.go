//go:build linux

package field_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// exampleProgram builds one of testdata/examples and returns its path.
func exampleProgram(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	goCommand(t, "../../..", "build", "-o", program, "./testdata/examples/"+name)
	return program
}

// runProgram wants a program to say nothing.
func runProgram(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
	}
}

// TestLibraryUroot: a program selects modules with package initramfs and hands them to u-root, whose image boots and
// loads them, also those that the kernel itself asks for.
func TestLibraryUroot(t *testing.T) {
	field(t, vmtest.Qemu)
	u := newUroot(t)
	tree, release := kmodtest.Corpus(t, "6.1-cloud")
	archive := filepath.Join(u.dir, "modules.cpio")
	runProgram(t, exampleProgram(t, "urootmodules"), "-root="+tree, "-kernel="+release, "-o="+archive, "ip_vs", "fs-squashfs", "loop")
	text := u.boot(t, tree, "library", "-base="+archive)
	checks(t, text, text)
	proved(t, "u-root boots with modules that package initramfs has selected (testdata/examples/urootmodules)")
}

// TestLibraryBooster: a program takes a selection into an image of booster's layout, and an init that knows only that
// layout loads the drivers, mounts the root and starts it. booster itself cannot be had where only Go's module proxy
// is, which does not have it: an init of ours, which reads the same files, stands in for its.
func TestLibraryBooster(t *testing.T) {
	field(t, vmtest.Qemu, "mke2fs")
	tree, release := kmodtest.Corpus(t, "6.1")
	dir := t.TempDir()
	init, image := filepath.Join(dir, "init"), filepath.Join(dir, "image")
	if err := vmtest.Build(t.Context(), init, "./internal/test/field/layoutguest", "../../..", false); err != nil {
		t.Fatal(err)
	}
	runProgram(t, exampleProgram(t, "boosterimage"), "-root="+tree, "-kernel="+release, "-init="+init, "-o="+image,
		"virtio_pci", "virtio_blk", "nvme", "ahci", "btrfs", "fs-ext4", "drivers/usb/host/*")
	disk := firstDisk(t, dir)
	var console bytes.Buffer
	m := vmtest.Machine{
		Kernel: filepath.Join(tree, "boot/vmlinuz"), Initrd: image, Append: "quiet",
		Args:    []string{"-snapshot", "-drive", "file=" + disk + ",format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk", "-device", "qemu-xhci"},
		Console: &console, Timeout: 10 * time.Minute,
	}
	status, err := m.Boot(t.Context())
	if text := console.String(); err != nil || status != vmtest.StatusPass || !strings.Contains(text, "first: init") {
		t.Fatalf("status %d, %v\n%s", status, err, tail(text))
	}
	for line := range strings.Lines(console.String()) {
		if strings.HasPrefix(line, "layout: ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	proved(t, "an image of booster's layout, its modules, their order and aliases taken from the library (testdata/examples/boosterimage), boots a root on virtio-blk")
}

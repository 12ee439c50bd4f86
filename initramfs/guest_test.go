//go:build linux

package initramfs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// guestConfig is /etc/modprobe.d/test.conf of the guests.
const guestConfig = `options loop max_part=3
softdep tun pre: ppp_generic post: brd
blacklist hpfs
alias my-name dummy
`

// TestGuest boots images of ours behind others. One is in two members itself, the second compressed.
func TestGuest(t *testing.T) {
	for _, k := range []struct {
		key         string
		long        bool
		compression initramfs.Compression
	}{
		{"6.1", false, initramfs.Plain},
		{"6.12", false, initramfs.Zstd},
		{"5.10", true, initramfs.Gzip},
		{"7.2", true, initramfs.Xz},
	} {
		t.Run(k.key, func(t *testing.T) {
			if k.long {
				kmodtest.Long(t)
			}
			base, _ := baseImage(t)
			vmtest.Run(t, k.key, vmtest.Options{
				Modules:     []string{"ext4", "loop", "tun", "ppp_generic", "brd", "minix", "hpfs", "romfs", "dummy", "nls_utf8"},
				Files:       map[string][]byte{"etc/modprobe.d/test.conf": []byte(guestConfig)},
				Base:        base,
				Compression: k.compression,
			})
		})
	}
}

// modprobeIn runs modprobe in the guest and wants it to say nothing.
func modprobeIn(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("/sbin/modprobe", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("modprobe %q: %v\n%s", args, err, out)
	}
}

// inKernel reports whether a module is loaded.
func inKernel(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}

func wantIn(t *testing.T, want bool, names ...string) {
	t.Helper()
	for _, n := range names {
		if inKernel(n) != want {
			t.Errorf("%s in the kernel: %t, want %t", n, !want, want)
		}
	}
}

func TestGuestLoadAndRemove(t *testing.T) {
	vmtest.InGuest(t)
	modprobeIn(t, "ext4")
	wantIn(t, true, "ext4", "jbd2", "mbcache")
	out, err := exec.Command("/sbin/lsmod").Output()
	if err != nil || !bytes.Contains(out, []byte("\next4 ")) && !bytes.HasPrefix(out, []byte("ext4 ")) {
		t.Errorf("lsmod: %v\n%s", err, out)
	}
	modprobeIn(t, "ext4") // again is no error
	if out, err := exec.Command("/sbin/modprobe", "--first-time", "ext4").CombinedOutput(); err == nil ||
		!bytes.Contains(out, []byte("Module already in kernel")) {
		t.Errorf("modprobe --first-time of a loaded module: %v, %s", err, out)
	}
	modprobeIn(t, "-r", "ext4")
	wantIn(t, false, "ext4", "jbd2", "mbcache")
}

func TestGuestParameters(t *testing.T) {
	vmtest.InGuest(t)
	modprobeIn(t, "loop", "max_loop=5")
	for name, want := range map[string]string{"max_loop": "5\n", "max_part": "3\n"} {
		if got, err := os.ReadFile("/sys/module/loop/parameters/" + name); err != nil || string(got) != want {
			t.Errorf("parameter %s = %q, %v; want %q", name, got, err, want)
		}
	}
	out, err := exec.Command("/sbin/modprobe", "dummy", "nonsense=1").CombinedOutput()
	t.Logf("unknown parameter: %v %s", err, out)
	modprobeIn(t, "-r", "dummy")
}

// TestGuestSoftdeps looks for the order of loading in what the modules write to the log.
func TestGuestSoftdeps(t *testing.T) {
	vmtest.InGuest(t)
	modprobeIn(t, "tun")
	wantIn(t, true, "tun", "ppp_generic", "brd")
	log := make([]byte, 1<<20)
	const all = 3 // SYSLOG_ACTION_READ_ALL
	n, err := unix.Klogctl(all, log)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, says := range []string{"PPP generic driver", "Universal TUN/TAP", "brd: module loaded"} {
		i := bytes.Index(log[:n], []byte(says))
		if i <= at {
			t.Errorf("%q is at %d of the log, after %d", says, i, at)
		}
		at = i
	}
}

// TestGuestRequestModule has the kernel ask for modules: it runs /sbin/modprobe -q -- fs-NAME without any open file and
// with three variables. The nodes of the image have to be enough for that, so /dev is taken away the second time.
func TestGuestRequestModule(t *testing.T) {
	vmtest.InGuest(t)
	if err := os.MkdirAll("/mnt", 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(fs string) error { return unix.Mount("none", "/mnt", fs, unix.MS_RDONLY, "") }
	if err := mount("minix"); errors.Is(err, syscall.ENODEV) {
		t.Errorf("mount -t minix: %v", err)
	}
	wantIn(t, true, "minix")
	if err := mount("hpfs"); !errors.Is(err, syscall.ENODEV) || inKernel("hpfs") {
		t.Errorf("mount -t hpfs, which is blacklisted: %v, loaded: %t", err, inKernel("hpfs"))
	}
	if err := mount("nosuchfs"); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("mount -t nosuchfs: %v, want ENODEV", err)
	}
	if err := unix.Unmount("/dev", unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Mount("devtmpfs", "/dev", "devtmpfs", 0, ""); err != nil {
			t.Error(err)
		}
	}()
	names, err := os.ReadDir("/dev")
	if err != nil || len(names) != 2 {
		t.Errorf("/dev of the image: %v, %v; want console and null", names, err)
	}
	if err := mount("romfs"); errors.Is(err, syscall.ENODEV) {
		t.Errorf("mount -t romfs without devtmpfs: %v", err)
	}
	wantIn(t, true, "romfs")
}

// TestGuestNames: an alias of the configuration, a path, and names that lead nowhere.
func TestGuestNames(t *testing.T) {
	vmtest.InGuest(t)
	modprobeIn(t, "my-name")
	wantIn(t, true, "dummy")
	modprobeIn(t, "-r", "dummy")
	wantIn(t, false, "dummy")
	out, err := exec.Command("/sbin/modprobe", "-q", "--", "net-pf-9999").CombinedOutput()
	if err == nil || len(out) > 0 {
		t.Errorf("modprobe -q -- net-pf-9999, as the kernel does: %v, %q; want a status and silence", err, out)
	}
	out, err = exec.Command("/sbin/modprobe", "nosuchmodule").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nosuchmodule not found in directory /lib/modules/") {
		t.Errorf("modprobe nosuchmodule: %v, %s", err, out)
	}
	out, err = exec.Command("/sbin/modprobe", "--show-depends", "nls_utf8").Output()
	file := strings.TrimSpace(strings.TrimPrefix(string(out), "insmod "))
	if err != nil || !strings.HasPrefix(file, "/lib/modules/") {
		t.Fatalf("modprobe -D nls_utf8: %v, %s", err, out)
	}
	if out, err := exec.Command("/sbin/insmod", file).CombinedOutput(); err != nil {
		t.Errorf("insmod %s: %v, %s", file, err, out)
	}
	wantIn(t, true, "nls_utf8")
}

// TestGuestTools: the others that /sbin has.
func TestGuestTools(t *testing.T) {
	vmtest.InGuest(t)
	out, err := exec.Command("/sbin/modinfo", "-F", "depends", "ext4").Output()
	if deps := strings.Split(strings.TrimSpace(string(out)), ","); err != nil || !slices.Contains(deps, "jbd2") {
		t.Errorf("modinfo -F depends ext4: %v, %q", err, out)
	}
	if out, err := exec.Command("/sbin/depmod", "-n").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("ext4.ko")) {
		t.Errorf("depmod -n: %v, %.300s", err, out)
	}
}

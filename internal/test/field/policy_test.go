//go:build linux

package field_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// TestPolicyGuest boots Debian twice, with our modprobe. In the first boot everything may be loaded; the machine's
// network, disk, firewall, loop device and USB stick are used, and modprobe --allowlist writes down what that took. In
// the second one that list counts: the same works, and what an unprivileged user has the kernel ask for besides is
// refused.
func TestPolicyGuest(t *testing.T) {
	field(t, vmtest.Qemu, "mke2fs", "mkfs.vfat")
	r := debian(t)
	r.install(t, true)
	r.write(t, "etc/fstab", []byte("/dev/vda / ext4 defaults 0 0\n"), 0o644)
	r.write(t, "etc/systemd/system/field.service", []byte(unit), 0o644)
	r.write(t, "etc/systemd/network/all.network", []byte("[Match]\nName=e*\n[Network]\nDHCP=ipv4\n"), 0o644)
	script, err := os.ReadFile("testdata/policy.sh")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "srv/guest.sh", script, 0o755)
	const install = "chmod 1777 /tmp; apt-get -qq update && apt-get -qq -y --no-install-recommends install iptables"
	if out, err := r.command(t.Context(), "sh", "-ec", install).CombinedOutput(); err != nil {
		kmodtest.Missing(t, "iptables cannot be had: %s", out)
	}
	corpus, release := kmodtest.Corpus(t, "6.1")
	modules := filepath.Join(r.upper, "usr/lib/modules", release)
	r.run(t, `systemctl enable -q field.service systemd-networkd.service
systemctl mask -q apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-networkd-wait-online.service
rm -rf /usr/src /usr/lib/gcc /usr/share/doc /usr/share/locale /usr/share/man /var/cache/apt /var/lib/apt/lists/* /usr/lib/linux-kbuild* /usr/lib/modules/*`)
	copyModules(t, filepath.Join(corpus, "lib/modules", release), modules)
	r.run(t, "depmod "+release)
	disk, dir := r.image(t, "1900M"), t.TempDir()
	stick, image := filepath.Join(dir, "stick"), filepath.Join(dir, "image")
	run := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("mkfs.vfat", "-C", stick, "8192")
	tool := filepath.Join(dir, "goinitramfs")
	goCommand(t, "../../..", "build", "-o", tool, "./cmd/gomodprobe")
	run(tool, "build", "--root="+corpus, "--kernel="+release, "--add=virtio_blk", "--add=virtio_pci",
		"--add=ext4", "--program="+tool, "-o", image)
	for _, boot := range []string{"without", "with"} {
		var console, results bytes.Buffer
		m := vmtest.Machine{
			Kernel: filepath.Join(corpus, "boot/vmlinuz"), Initrd: image, Memory: 1024,
			Append: "root=/dev/vda rw systemd.show_status=0 quiet",
			Args: []string{"-drive", "file=" + disk + ",format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
				"-device", "qemu-xhci",
				"-drive", "file=" + stick + ",format=raw,if=none,id=stick", "-device", "usb-storage,drive=stick",
				"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"},
			Console: &console, Results: &results, Timeout: 40 * time.Minute,
		}
		if _, err := m.Boot(t.Context()); err != nil {
			t.Errorf("%v\n%s", err, tail(console.String()))
		}
		t.Logf("%s a policy:\n%s", boot, results.String())
		checks(t, results.String(), console.String())
	}
	proved(t, "Debian 12 boots under forbid * and a list of modprobe --allowlist; network, disk, iptables, loop and USB work, and AF_ALG, "+
		"CAN, SCTP and XFS, which unprivileged users have the kernel ask for, are refused and logged with the line")
}

// copyModules copies the modules that the guest may want, without the large folders of drivers for other machines.
func copyModules(t *testing.T, from, to string) {
	t.Helper()
	skip := []string{
		"gpu", "media", "infiniband", "iio", "staging", "net/wireless", "net/ethernet", "hwmon", "isdn", "mtd",
		"firmware",
	}
	args := []string{"-a", "--no-preserve=ownership", from + "/.", to}
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", args...).CombinedOutput(); err != nil {
		t.Fatalf("cp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, folder := range skip {
		os.RemoveAll(filepath.Join(to, "kernel/drivers", folder))
	}
	os.RemoveAll(filepath.Join(to, "kernel/sound"))
}

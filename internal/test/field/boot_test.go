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

// booted tells, once systemd has reached multi-user.target, what was booted, and ends the machine.
const booted = `exec >/dev/ttyS1 2>&1
echo "system: $(systemctl is-active multi-user.target), $(cat /proc/1/comm), Debian $(cut -d. -f1 /etc/debian_version)"
echo "kernel: $(uname -r)"
echo "root: $(findmnt -n -o FSTYPE /) $(findmnt -n -o OPTIONS / | cut -d, -f1)"
systemctl --failed --no-legend | sed 's/^/failed: /'
echo "end"
exec >/dev/null 2>&1
reboot -f -f
`

// TestDebianRoot boots a Debian 12 root to systemd's multi-user.target with images that goinitramfs alone has made,
// for three kernels: the image's /init is our program, which loads what it takes to find, check and mount the root.
func TestDebianRoot(t *testing.T) {
	field(t, vmtest.Qemu, "mke2fs", "blkid")
	r := debian(t)
	r.write(t, "etc/fstab", []byte("/dev/root / auto defaults 0 0\n"), 0o644)
	r.write(t, "etc/systemd/system/field.service", []byte(unit), 0o644)
	r.write(t, "srv/guest.sh", []byte(booted), 0o755)
	r.run(t, `systemctl enable -q field.service
systemctl mask -q apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-networkd-wait-online.service
rm -rf /usr/src /usr/lib/gcc /usr/share/doc /usr/share/locale /usr/share/man /var/cache/apt /usr/lib/linux-kbuild* /usr/share/perl /usr/lib/modules/*`)
	disk := r.image(t, "1500M")
	out, err := exec.Command("blkid", "-p", "-o", "value", "-s", "UUID", disk).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, tool := filepath.Join(dir, "gomodprobe-boot"), filepath.Join(dir, "goinitramfs")
	goCommand(t, "../../..", "build", "-trimpath", "-ldflags=-s -w", "-tags=kmod_boot", "-o", program, "./cmd/gomodprobe")
	goCommand(t, "../../..", "build", "-trimpath", "-ldflags=-s -w", "-o", tool, "./cmd/gomodprobe")
	for _, key := range []string{"6.1", "6.12", "7.2"} {
		t.Run(key, func(t *testing.T) {
			root, release := kmodtest.Corpus(t, key)
			image := filepath.Join(t.TempDir(), "image")
			if out, err := exec.Command(tool, "build", "--root="+root, "--kernel="+release, "--universal", "--program="+program, "-o", image).CombinedOutput(); err != nil {
				t.Fatalf("goinitramfs: %v\n%s", err, out)
			}
			var console, results bytes.Buffer
			m := vmtest.Machine{
				Kernel: filepath.Join(root, "boot/vmlinuz"), Initrd: image, Memory: 1024,
				Append: "root=UUID=" + strings.TrimSpace(string(out)) + " rw",
				Args: []string{"-snapshot", "-drive", "file=" + disk + ",format=raw,if=none,id=disk",
					"-device", "virtio-blk-pci,drive=disk"},
				Console: &console, Results: &results, Timeout: 20 * time.Minute,
			}
			_, err := m.Boot(t.Context())
			got := strings.ReplaceAll(results.String(), "\r\n", "\n")
			want := "system: active, systemd, Debian 12\nkernel: " + release + "\nroot: ext4 rw\nend\n"
			if err != nil || got != want {
				t.Fatalf("%v\nthe system says\n%s\nwant\n%s\nconsole:\n%s", err, got, want, tail(console.String()))
			}
			if !strings.Contains(console.String(), "after /init was") {
				t.Errorf("our /init does not say that it has started the root's\n%s", tail(console.String()))
			}
		})
	}
	if !t.Failed() {
		proved(t, "a Debian 12 root boots to multi-user.target with 6.1, 6.12 and 7.2, by images of goinitramfs alone")
	}
}

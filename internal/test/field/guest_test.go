//go:build linux

package field_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// unit makes systemd run the checks at the end of the boot.
const unit = `[Unit]
Description=field checks
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh /srv/guest.sh

[Install]
WantedBy=multi-user.target
`

// TestDebianGuest boots the Debian root, with our tools switched on, through an image that update-initramfs made with
// them, and checks what only a running system has: systemd's units, the kernel's own calls, containers.
func TestDebianGuest(t *testing.T) {
	field(t, vmtest.Qemu, "mke2fs")
	r := debian(t)
	r.install(t, true)
	r.write(t, "etc/modules-load.d/field.conf", []byte("dummy\n"), 0o644)
	r.write(t, "etc/systemd/system/field.service", []byte(unit), 0o644)
	r.write(t, "etc/fstab", []byte("/dev/vda / ext4 defaults 0 0\n"), 0o644)
	script, err := os.ReadFile("testdata/guest.sh")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "srv/guest.sh", script, 0o755)
	r.write(t, "srv/examples.sh", []byte(exampleScript(t)), 0o755)
	container(t, filepath.Join(r.upper, "srv/container"))
	other, release := kmodtest.Corpus(t, "6.1-prev")
	nbd, err := os.ReadFile(filepath.Join(other, "lib/modules", release, "kernel/drivers/block/nbd.ko"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "root/nbd.ko", nbd, 0o644)
	image, err := os.ReadFile(filepath.Join(other, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "boot/vmlinuz-"+release, image, 0o644) // its types tell what changed since
	V := r.release(t)
	r.run(t, `mkdir -p /srv/container/proc /srv/container/sys
systemctl enable -q field.service
systemctl mask -q apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-networkd-wait-online.service
rm -rf /usr/src /usr/lib/gcc /usr/share/doc /usr/share/locale /usr/share/man /var/cache/apt /usr/lib/linux-kbuild* /usr/share/perl
sed -i 's/^COMPRESS=.*/COMPRESS=gzip/' /etc/initramfs-tools/initramfs.conf
update-initramfs -c -k `+V+` >/dev/null`)
	boot := func(name string) string {
		for _, dir := range []string{r.upper, r.lower} {
			if file := filepath.Join(dir, "boot", name+"-"+V); exists(file) {
				return file
			}
		}
		t.Fatalf("no %s", name)
		return ""
	}
	disk := r.image(t, "1500M")
	var console, results bytes.Buffer
	m := vmtest.Machine{
		Kernel: boot("vmlinuz"), Initrd: boot("initrd.img"), Memory: 1024,
		Append:  "root=/dev/vda rw systemd.show_status=0 quiet",
		Args:    []string{"-drive", "file=" + disk + ",format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk"},
		Console: &console, Results: &results, Timeout: 40 * time.Minute,
	}
	if _, err := m.Boot(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, tail(console.String()))
	}
	text := strings.ReplaceAll(results.String(), "\r\n", "\n")
	before, after, _ := strings.Cut(text, "examples: begin\n")
	printed, after, _ := strings.Cut(after, "examples: end\n")
	checks(t, before+after, console.String())
	checkExamples(t, printed)
	proved(t, "a Debian 12 guest boots with our modprobe in its image; systemd, the kernel's own calls, and containers with nothing but the program get what they need")
}

// checks makes subtests of the lines that a guest's script prints.
func checks(t *testing.T, results, console string) {
	t.Helper()
	results = strings.ReplaceAll(results, "\r\n", "\n")
	lines := regexp.MustCompile(`(?m)^(ok|not ok) `).FindAllStringIndex(results, -1)
	for i, at := range lines {
		end := len(results)
		if i+1 < len(lines) {
			end = lines[i+1][0]
		}
		name, why, _ := strings.Cut(results[at[1]:end], "\n")
		bad := results[at[0]] == 'n'
		if bad {
			var rest string
			name, rest, _ = strings.Cut(name, " | ")
			why = rest + "\n" + why
		}
		t.Run(name, func(t *testing.T) {
			if bad {
				t.Error(why)
			}
		})
	}
	if !strings.Contains(results, "guest: done\n") {
		t.Errorf("the guest's script did not end\nresults:\n%s\nconsole:\n%s", results, tail(console))
	}
}

func tail(text string) string { return text[max(0, len(text)-6000):] }

// image makes an ext4 file system with the root's content.
func (r *root) image(t *testing.T, size string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	const script = `mount -t overlay overlay -o lowerdir="$1",upperdir="$2",workdir="$3" "$4" && mke2fs -q -t ext4 -O ^has_journal -d "$4" "$5" "$6"`
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh",
		r.lower, r.upper, r.work, filepath.Join(filepath.Dir(r.upper), "root"), file, size)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return file
}

// container unpacks the container image for this computer's architecture, as an engine does.
func container(t *testing.T, dir string) {
	t.Helper()
	layout := filepath.Join(dist(t), "oci")
	read := func(digest string) []byte {
		data, err := os.ReadFile(filepath.Join(layout, "blobs", strings.Replace(digest, ":", "/", 1)))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var doc struct {
		Manifests, Layers []struct{ Digest string }
	}
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	for step := 0; step < 3; step++ {
		if err == nil {
			err = json.Unmarshal(data, &doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		if step < 2 {
			data = read(doc.Manifests[0].Digest)
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(read(doc.Layers[0].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(to, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, to)
		default:
			var data []byte
			if data, err = io.ReadAll(tr); err == nil {
				err = os.WriteFile(to, data, os.FileMode(h.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

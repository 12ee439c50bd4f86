//go:build linux

package field_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// others makes the images to compare with: those of initramfs-tools and dracut as they are for any machine, and as they
// are for this one, which has its root on virtio-blk and ext4. (In a chroot neither can find that out, so it is told.)
const others = `mkdir -p /srv/images
sed -i 's/^COMPRESS=.*/COMPRESS=zstd/; s/^MODULES=.*/MODULES=most/' /etc/initramfs-tools/initramfs.conf
mkinitramfs -o /srv/images/initramfs-tools-most $V
sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf
printf 'virtio_pci\nvirtio_blk\next4\n' >/etc/initramfs-tools/modules
mkinitramfs -o /srv/images/initramfs-tools-list $V
dracut --no-hostonly --zstd --kver $V --force /srv/images/dracut-generic
dracut --hostonly --no-hostonly-default-device --add-drivers 'virtio_pci virtio_blk ext4' --zstd --kver $V --force /srv/images/dracut-hostonly`

// bootRun is one boot: when the kernel ran /init, and when the root's first program began.
type bootRun struct {
	init, root time.Duration
	report     string // of our /init
}

// TestBootTimes boots the same kernel and root through images of ours and of others, by turns. Time is counted in
// instructions, one a nanosecond, on one processor, so that the load of this computer does not matter. Only while the
// guest waits, for its disk or a timer, it is the computer's time. (Without sleep=on the guest's clock jumps to its
// next timer then, so that reading a block takes a tenth of a second now and then.)
func TestBootTimes(t *testing.T) {
	field(t, vmtest.Qemu, "mke2fs")
	r := debian(t)
	V := r.release(t)
	r.run(t, "V="+V+"\n"+others)
	dir := t.TempDir()
	images := map[string]string{}
	for _, name := range []string{"initramfs-tools-most", "initramfs-tools-list", "dracut-generic", "dracut-hostonly"} {
		images[name] = filepath.Join(r.upper, "srv/images", name)
	}
	program, tool := filepath.Join(dir, "gomodprobe-boot"), filepath.Join(dir, "goinitramfs")
	goCommand(t, "../../..", "build", "-trimpath", "-ldflags=-s -w", "-tags=kmod_boot", "-o", program, "./cmd/gomodprobe")
	goCommand(t, "../../..", "build", "-trimpath", "-ldflags=-s -w", "-o", tool, "./cmd/gomodprobe")
	for name, args := range map[string][]string{
		"ours-universal": {"--universal"},
		"ours-host":      {"--add=virtio_pci", "--add=virtio_blk", "--add=ext4"},
	} {
		images[name] = filepath.Join(dir, name)
		args = append([]string{"build", "--root=" + r.lower, "--kernel=" + V, "--compress=zstd", "--program=" + program, "-o", images[name]}, args...)
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("goinitramfs %q: %v\n%s", args, err, out)
		}
	}
	disk := firstDisk(t, dir)
	runs := 5
	if text := os.Getenv("GOMODPROBE_RUNS"); text != "" {
		var err error
		if runs, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	took := map[string][]bootRun{}
	names := slices.Sorted(func(yield func(string) bool) {
		for n := range images {
			if !yield(n) {
				return
			}
		}
	})
	for range runs {
		for _, n := range names {
			took[n] = append(took[n], bootOnce(t, filepath.Join(r.lower, "boot/vmlinuz-"+V), images[n], disk))
			last := took[n][len(took[n])-1]
			t.Logf("%s: /init after %v, the root's first program %v later", n, last.init, last.root-last.init)
		}
	}
	var table strings.Builder
	size, inside, report := map[string]int64{}, map[string]time.Duration{}, map[string]string{}
	for _, n := range names {
		info, err := os.Stat(images[n])
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(took[n], func(a, b bootRun) int { return cmp.Compare(a.root-a.init, b.root-b.init) })
		middle := took[n][runs/2]
		size[n], inside[n], report[n] = info.Size(), middle.root-middle.init, middle.report
		fmt.Fprintf(&table, "| %s | %d | %.2f | %.2f | %.2f |\n", n, size[n], middle.init.Seconds(), inside[n].Seconds(), middle.root.Seconds())
	}
	t.Logf("image, bytes, seconds to /init, from there to the root's first program, in all:\n%s", &table)
	for _, c := range []struct {
		ours, theirs string
		part         float64 // of their time that ours may take
	}{
		{"ours-host", "initramfs-tools-list", 0.5},
		{"ours-host", "dracut-hostonly", 0.5},
		{"ours-universal", "dracut-generic", 0.5},
		{"ours-universal", "initramfs-tools-most", 0.5},
	} {
		if took, limit := inside[c.ours], time.Duration(c.part*float64(inside[c.theirs])); took > limit {
			t.Errorf("%s takes %v, more than %v, which is %v of what %s takes\n%s", c.ours, took, limit, c.part, c.theirs, report[c.ours])
		}
		if size[c.ours] >= size[c.theirs] {
			t.Errorf("%s has %d bytes, %s %d", c.ours, size[c.ours], c.theirs, size[c.theirs])
		}
	}
	proved(t, "the root's first program begins in half of the time that images made by initramfs-tools and dracut take, for the host and for all, from smaller images")
}

// firstDisk makes an ext4 file system whose /first is our program.
func firstDisk(t *testing.T, dir string) string {
	t.Helper()
	content := filepath.Join(dir, "root")
	for _, d := range []string{"dev", "proc", "sys", "run", "tmp", "etc", "usr", "sbin"} {
		if err := os.MkdirAll(filepath.Join(content, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := vmtest.Build(t.Context(), filepath.Join(content, "first"), "./internal/test/field/rootguest", "../../..", false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(content, "etc/os-release"), []byte("ID=measured\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(dir, "disk")
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", content, disk, "64M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return disk
}

// bootOnce boots and returns the times.
func bootOnce(t *testing.T, kernel, image, disk string) (b bootRun) {
	t.Helper()
	var console bytes.Buffer
	m := vmtest.Machine{
		Kernel: kernel, Initrd: image, Memory: 1024, Append: "root=/dev/vda rootfstype=ext4 rw init=/first quiet",
		Args: []string{
			"-smp", "1", "-icount", "shift=0,sleep=on", "-snapshot",
			"-drive", "file=" + disk + ",format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
		},
		Console: &console, Timeout: 20 * time.Minute,
	}
	if _, err := m.Boot(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, tail(console.String()))
	}
	_, line, _ := strings.Cut(console.String(), "first: init ")
	var init, root float64
	if _, err := fmt.Sscanf(line, "%f root %f", &init, &root); err != nil {
		t.Fatalf("no times: %v\n%s", err, tail(console.String()))
	}
	_, report, _ := strings.Cut(line, "\n")
	return bootRun{time.Duration(init * 1e9), time.Duration(root * 1e9), report}
}

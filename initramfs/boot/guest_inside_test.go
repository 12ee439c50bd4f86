//go:build linux

package boot_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// makeInside is a hook that makes, in a guest, an encrypted disk and a volume group, with the first program in both. It
// fails in the end, so that the guest ends.
const makeInside = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1
c='devices { obtain_device_list_from_udev=0 external_device_info_source="none" } activation { udev_sync=0 udev_rules=0 }'
printf secret | cryptsetup -q luksFormat --uuid ` + rootUUID + ` --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vda - &&
printf key >/key && printf secret | cryptsetup luksAddKey --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - /dev/vda /key &&
printf secret | cryptsetup open --key-file - /dev/vda x && mke2fs -q -t ext4 -d /payload /dev/mapper/x && cryptsetup close x && echo LUKS-MADE
lvm pvcreate --config "$c" /dev/vdb && lvm vgcreate --config "$c" vg0 /dev/vdb &&
lvm lvcreate -y -Zn -Wn --config "$c" -n root -L 48M vg0 && mke2fs -q -t ext4 -d /payload /dev/mapper/vg0-root &&
lvm vgchange -an --config "$c" vg0 && echo LVM-MADE
exit 1
`

// insideRoot makes a system with the modules of a kernel and these programs of this machine.
func (b *bench) insideRoot(t *testing.T, programs ...string) string {
	t.Helper()
	files, from := initramfs.NewFiles(nil), initramfs.NewSystem(os.DirFS("/"))
	for _, p := range programs {
		if err := files.AddProgram(from, p); err != nil {
			t.Skip(err)
		}
	}
	entries, err := files.Entries()
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := initramfs.Write(&image, entries, nil); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	archive := root + ".image"
	if err := os.WriteFile(archive, image.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(kmodtest.Build(t), "extract", archive, root)
	cmd.Args[0] = "goinitramfs"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("sh", "-ec", `mkdir -p "$2/lib/modules" && cp -a "$1" "$2/lib/modules/"`, "sh",
		filepath.Join(b.tree, "lib/modules", b.release), root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// typist types a line when the console asks for it, again and again: what was typed before the echo was switched off is
// thrown away.
type typist struct {
	bytes.Buffer
	keys io.Writer
	once sync.Once
}

func (w *typist) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if bytes.Contains(w.Bytes(), []byte("Enter passphrase for")) {
		w.once.Do(func() {
			go func() {
				for range 10 {
					time.Sleep(2 * time.Second)
					if _, err := io.WriteString(w.keys, "secret\r"); err != nil {
						return // the guest has ended
					}
				}
			}()
		})
	}
	return n, err
}

// TestBootInside: roots inside LUKS, with a key and with a passphrase that is typed, and inside LVM, by the hooks that
// come with the program; without them it is said at once what the root is in.
func TestBootInside(t *testing.T) {
	kmodtest.Long(t)
	kmodtest.Programs(t, "cryptsetup", "lvm", "mke2fs")
	b := newBench(t, "6.1")
	root := b.insideRoot(t, "cryptsetup", "lvm", "mke2fs", "/bin/sh")
	hook := filepath.Join(b.dir, "make")
	payload := filepath.Join(b.dir, "payload")
	for _, d := range []string{"sbin", "dev", "proc", "sys", "run"} {
		if err := os.MkdirAll(filepath.Join(payload, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string, perm fs.FileMode) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), perm); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(b.dir, "guest"), filepath.Join(payload, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(hook, "list"), "program cryptsetup lvm mke2fs sh\nmodule dm_crypt\nmodule? algif_skcipher\nscript before-mount.d/10-make\n", 0o644)
	put(filepath.Join(hook, "before-mount.d/10-make"), makeInside, 0o755)
	put(filepath.Join(b.dir, "key"), "key", 0o600)
	luks, lvm := filepath.Join(b.dir, "luks"), filepath.Join(b.dir, "lvm")
	for _, disk := range []string{luks, lvm} {
		put(disk, "", 0o644)
		if err := os.Truncate(disk, 96<<20); err != nil {
			t.Fatal(err)
		}
	}
	modules := []string{"virtio_blk", "virtio_pci", "ext4"}
	programs := *b
	programs.tree = root
	var console bytes.Buffer
	m := vmtest.Machine{
		Kernel: filepath.Join(b.tree, "boot/vmlinuz"), Append: "panic=-1 rd.shell=0 root=/dev/none", Console: &console, Timeout: bootLimit, Memory: 768,
		Initrd: programs.image(t, modules, "--hook", hook, "--file", payload+":/payload", "--compress=zstd"),
		Args:   []string{"-drive", "if=virtio,format=raw,file=" + luks, "-drive", "if=virtio,format=raw,file=" + lvm},
	}
	if _, err := m.Boot(t.Context()); err != nil || !strings.Contains(console.String(), "LUKS-MADE") || !strings.Contains(console.String(), "LVM-MADE") {
		t.Fatalf("%v\n%s", err, &console)
	}
	hooks, err := filepath.Abs("../hooks")
	if err != nil {
		t.Fatal(err)
	}
	opener := programs.image(t, modules, "--hook", hooks+"/luks", "--hook", hooks+"/lvm", "--file", filepath.Join(b.dir, "key")+":/etc/gomodprobe/keys/root", "--compress=zstd")
	plain := programs.image(t, modules)
	for _, tt := range []struct{ name, image, disk, cmdline, want string }{
		{"key", opener, luks, "rd.luks.name=" + rootUUID + "=root rd.luks.key=/etc/gomodprobe/keys/root root=/dev/mapper/root", "guest: done"},
		{"typed", opener, luks, "rd.luks.uuid=" + rootUUID + " root=/dev/mapper/luks-" + rootUUID, "guest: done"},
		{"lvm", opener, lvm, "root=/dev/vg0/root", "guest: done"},
		{"no hook for LUKS", plain, luks, "rd.shell=0 root=UUID=" + rootUUID, "root=UUID=" + rootUUID + " is on /dev/vda, which is encrypted (LUKS), not a file system: goinitramfs build --hook luks"},
		{"no hook for LVM", plain, lvm, "rd.shell=0 root=/dev/vg0/root", "is on /dev/vda, which is a disk of a volume group (LVM), not a file system: goinitramfs build --hook lvm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, keys, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			defer keys.Close()
			out := &typist{keys: keys}
			m := vmtest.Machine{
				Kernel: m.Kernel, Initrd: tt.image, Append: tt.cmdline, Console: out, Keys: in, Timeout: bootLimit, Memory: 768,
				Args: []string{"-snapshot", "-drive", "if=virtio,format=raw,file=" + tt.disk},
			}
			if _, err := m.Boot(t.Context()); err != nil || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v; not there: %s\n%s", err, tt.want, out)
			}
		})
	}
}

//go:build linux

package boot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
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

const (
	rootUUID  = "0a1b2c3d-1111-4222-8333-445566778899"
	partUUID  = "11111111-2222-3333-4444-555555aabbcc"
	bootLimit = 6 * time.Minute
)

// buses are ways to hang a disk into a machine, with the name it gets.
var buses = map[string]struct {
	name string
	args []string
}{
	"virtio-blk":  {"vda", []string{"-device", "virtio-blk-pci,drive=disk"}},
	"virtio-scsi": {"sda", []string{"-device", "virtio-scsi-pci,id=scsi", "-device", "scsi-hd,bus=scsi.0,drive=disk"}},
	"nvme":        {"nvme0n1", []string{"-device", "nvme,serial=x,drive=disk"}},
	"ahci":        {"sda", []string{"-device", "ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=disk"}},
	"usb":         {"sda", []string{"-device", "qemu-xhci", "-device", "usb-storage,drive=disk"}},
}

// fileSystems make an image of the folder $1 in the file $2.
var fileSystems = map[string]string{
	"ext4":     `mke2fs -q -t ext4 -U ` + rootUUID + ` -L "my root" -d "$1" "$2" 64M`,
	"squashfs": `mksquashfs "$1" "$2" -quiet -no-progress -all-root`,
	"btrfs":    `truncate -s 128M "$2" && mkfs.btrfs -q -U ` + rootUUID + ` -L "my root" --rootdir "$1" "$2"`,
	"xfs": `truncate -s 320M "$2"
		printf '/x\n0 0\nd--755 0 0\nsbin d--755 0 0\ninit ---755 0 0 %s\n$\n' "$1/sbin/init" >"$2.proto"
		for d in dev proc sys run; do echo "$d d--755 0 0"; echo '$'; done >>"$2.proto"; echo '$' >>"$2.proto"
		mkfs.xfs -q -m uuid=` + rootUUID + ` -L "my root" -p "$2.proto" "$2"`,
	// The second partition of a disk.
	"partition": `mke2fs -q -t ext4 -d "$1" "$2.part" 32M && truncate -s 40M "$2" &&
		printf 'label: gpt\nstart=2048,size=2048\nstart=4096,size=65536,uuid=` + partUUID + `,name="the root"\n' | sfdisk -q "$2" &&
		dd if="$2.part" of="$2" bs=512 seek=4096 conv=notrunc status=none && rm "$2.part"`,
	"btrfs2": `truncate -s 128M "$2" "$2.other" && mkfs.btrfs -q -U ` + rootUUID + ` "$2" "$2.other"`, // with nothing in it
	"empty":  `truncate -s 1M "$2"`,
	"noinit": `mkdir "$1.other" && mkdir "$1.other/home" && mke2fs -q -t ext4 -d "$1.other" "$2" 16M`,
}

// bootModules are what the images of small guests hold.
var bootModules = []string{"virtio_blk", "virtio_scsi", "virtio_pci", "nvme", "ahci", "sd_mod", "xhci_pci", "usb_storage", "ext4", "xfs", "btrfs", "squashfs"}

// A bench makes what guests need, each once.
type bench struct {
	dir, key, arch string
	tree, release  string
}

func newBench(t *testing.T, key string) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), key: key, arch: "amd64"}
	qemu := vmtest.Qemu
	if _, arch, ok := strings.Cut(key, ":"); ok {
		b.arch, qemu = arch, vmtest.QemuArm64
	}
	kmodtest.Programs(t, qemu)
	b.tree, b.release = kmodtest.Corpus(t, key)
	b.build(t, "guest", "./guest")
	b.build(t, "gomodprobe", "../../cmd/gomodprobe", "-tags=kmod_boot")
	return b
}

// build compiles a program for guests.
func (b *bench) build(t *testing.T, to, pkg string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(b.dir, to)}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+b.arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// image makes an image with goinitramfs and nothing else.
func (b *bench) image(t *testing.T, modules []string, more ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "initramfs")
	args := append([]string{"build", "-o", to, "-k", b.release, "--root", b.tree, "--program", filepath.Join(b.dir, "gomodprobe")}, more...)
	for _, m := range modules {
		args = append(args, "--add", m)
	}
	cmd := exec.Command(kmodtest.Build(t), args...)
	cmd.Args[0] = "goinitramfs"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("goinitramfs: %v\n%s", err, out)
	}
	return to
}

// disk makes a root file system whose first program is ./guest.
func (b *bench) disk(t *testing.T, kind string) string {
	t.Helper()
	file := filepath.Join(b.dir, kind)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	root := filepath.Join(t.TempDir(), "root")
	for _, d := range []string{"sbin", "dev", "proc", "sys", "run"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(b.dir, "guest"), filepath.Join(root, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	tool := regexp.MustCompile(`mke2fs|mksquashfs|mkfs\.\w+|truncate`).FindString(strings.ReplaceAll(fileSystems[kind], "truncate -s 128M", "")) // each is in a package of its own
	if kind == "partition" {
		tool = "sfdisk"
	}
	kmodtest.Programs(t, tool)
	if out, err := exec.Command("sh", "-ec", fileSystems[kind], "sh", root, file).CombinedOutput(); err != nil {
		t.Fatalf("making %s: %v\n%s", kind, err, out)
	}
	return file
}

// boot starts a guest, with more arguments for qemu, and returns what came out of its console.
func (b *bench) boot(t *testing.T, image, disk, bus, cmdline string, more ...string) (console string, status int) {
	t.Helper()
	args := append([]string{"-snapshot", "-drive", "if=none,id=disk,format=raw,file=" + disk}, buses[bus].args...)
	var out bytes.Buffer
	m := vmtest.Machine{
		Arch: b.arch, Kernel: filepath.Join(b.tree, "boot/vmlinuz"), Initrd: image, Append: cmdline,
		Args: append(args, more...), Console: &out, Timeout: bootLimit,
	}
	status, err := m.Boot(t.Context())
	console = strings.ReplaceAll(out.String(), "\r", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, console)
	}
	return console, status
}

// started fails unless the guest's first program found everything in order; it returns /init's report.
func (b *bench) started(t *testing.T, console string, status int, device, fstype string) (report struct {
	Device, Type, Init           string
	Found, Mounted, Loaded, Took int
}) {
	t.Helper()
	if _, after, ok := strings.Cut(console, "guest: began\n"); !ok || !strings.Contains(after, "guest: done") || strings.Contains(after, "guest: error") {
		t.Fatalf("the guest's first program was not happy:\n%s", console)
	}
	if b.arch == "amd64" && status != vmtest.StatusPass {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{
		`(?m)^guest: mount proc /proc proc rw,nosuid,nodev,noexec`, `(?m)^guest: mount sysfs /sys sysfs rw,nosuid,nodev,noexec`,
		`(?m)^guest: mount devtmpfs /dev devtmpfs rw,nosuid`, `(?m)^guest: mount tmpfs /run tmpfs rw,nosuid,nodev.*mode=755`,
		fmt.Sprintf(`(?m)^guest: mount /dev/%s / %s `, device, fstype),
		`(?m)^guest: memory that files hold: \d{1,3} KiB$`, // less than any module takes
	} {
		if !regexp.MustCompile(want).MatchString(console) {
			t.Errorf("not there: %s\n%s", want, console)
		}
	}
	if n := strings.Count(console, "guest: mount "); n != 5 {
		t.Errorf("%d things are mounted, want 5\n%s", n, console)
	}
	var text strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^guest: boot\.json: (.*)$`).FindAllStringSubmatch(console, -1) {
		text.WriteString(m[1] + "\n")
	}
	var doc struct {
		Device, Type, Init string
		Found              int `json:"found_ms"`
		Mounted            int `json:"mounted_ms"`
		Loaded             int `json:"loaded_ms"`
		Took               int `json:"took_ms"`
	}
	if err := json.Unmarshal([]byte(text.String()), &doc); err != nil {
		t.Fatalf("boot.json: %v\n%s", err, console)
	}
	if doc.Device != "/dev/"+device || doc.Type != fstype || doc.Init != "/sbin/init" {
		t.Errorf("boot.json: %+v", doc)
	}
	report.Device, report.Type, report.Init = doc.Device, doc.Type, doc.Init
	report.Found, report.Mounted, report.Loaded, report.Took = doc.Found, doc.Mounted, doc.Loaded, doc.Took
	return report
}

// TestBoot starts Debian's kernels from each kind of disk and file system, each named in another way, with images that
// goinitramfs made for all of them. One of them is done always.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: no guests")
	}
	for _, key := range []string{"6.1", "6.12", "7.2", "6.1:arm64"} {
		t.Run(key, func(t *testing.T) {
			if key != "6.1" {
				kmodtest.Long(t)
			}
			b := newBench(t, key)
			modules := bootModules
			if os.Getenv("GOMODPROBE_LONG") == "" {
				modules = []string{"virtio_blk", "virtio_pci", "ext4"}
			}
			image := b.image(t, modules)
			for _, m := range []struct{ bus, fs, root, device, words string }{
				{"virtio-blk", "ext4", "UUID=" + strings.ToUpper(rootUUID), "vda", "quiet"},
				{"virtio-scsi", "ext4", "/dev/sda", "sda", "rw quiet"},
				{"nvme", "ext4", `"LABEL=my root"`, "nvme0n1", "rootfstype=ext4"},
				{"ahci", "ext4", "8:0", "sda", "quiet"},
				{"usb", "ext4", "/dev/disk/by-uuid/" + rootUUID, "sda", "quiet rootwait"},
				{"virtio-blk", "xfs", "UUID=" + rootUUID, "vda", "quiet"},
				{"virtio-blk", "btrfs", `LABEL="my root"`, "vda", "quiet rootflags=compress=zstd,noatime"},
				{"virtio-blk", "squashfs", "/dev/vda", "vda", "quiet rw"},
				{"nvme", "partition", "PARTUUID=" + partUUID, "nvme0n1p2", "quiet"},
				{"ahci", "partition", `"PARTLABEL=the root"`, "sda2", "quiet"},
			} {
				t.Run(m.bus+"-"+m.fs, func(t *testing.T) {
					if m.bus+m.fs+key != "virtio-blkext46.1" {
						kmodtest.Long(t)
					}
					console, status := b.boot(t, image, b.disk(t, m.fs), m.bus, "root="+m.root+" "+m.words)
					fstype := m.fs
					if fstype == "partition" {
						fstype = "ext4"
					}
					r := b.started(t, console, status, m.device, fstype)
					t.Logf("root found %d, mounted %d, started %d ms after /init", r.Found, r.Mounted, r.Took)
				})
			}
		})
	}
}

// TestBootFails: what does not work is said, with what is there, and the machine does what panic= wants.
func TestBootFails(t *testing.T) {
	kmodtest.Long(t)
	b := newBench(t, "6.1")
	image := b.image(t, []string{"virtio_blk", "virtio_pci", "ext4", "btrfs"})
	for _, m := range []struct {
		name, disk, words string
		want              []string
	}{
		{"no root", "ext4", "root=UUID=0000-0000 rootwait=3", []string{
			"root=UUID=0000-0000 did not appear within 3s", "/dev/vda ", "ext4 UUID=" + rootUUID + " LABEL=my root", "Loaded for devices:", "virtio_blk"}},
		{"no root=", "ext4", "", []string{"there is no root= on the kernel's command line"}},
		{"a wrong rootfstype", "ext4", "root=/dev/vda rootfstype=xfs", []string{
			"this image has no module for the file system xfs: make it with goinitramfs build --add xfs", "it holds ext4, and the kernel's command line says rootfstype=xfs"}},
		{"nothing known", "empty", "root=/dev/vda", []string{"what /dev/vda holds is not known here: name its file system with rootfstype="}},
		{"not what is said", "empty", "root=/dev/vda rootfstype=ext4", []string{"mounting /dev/vda as ext4: mount /sysroot: invalid argument"}},
		{"no first program", "noinit", "root=/dev/vda", []string{"there is no program /sbin/init, /etc/init, /bin/init, /bin/sh on the root file system, which has home lost+found"}},
		{"two disks", "btrfs2", "root=UUID=" + rootUUID + " rootflags=device=/dev/vda,device=/dev/vdb panic=1", []string{
			"there is no program /sbin/init, /etc/init, /bin/init, /bin/sh on the root file system, which has nothing in it"}},
		{"one of two disks", "btrfs2", "root=/dev/vda rootflags=device=/dev/vdc rootwait=3", []string{"rootflags=device=/dev/vdc did not appear within 3s"}},
		{"not that program", "ext4", "root=/dev/vda init=/bin/bash", []string{"init=/bin/bash is not a program on the root file system, which has"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			disk, second := b.disk(t, m.disk), []string(nil)
			if m.disk == "btrfs2" {
				second = []string{"-drive", "if=none,id=second,format=raw,file=" + disk + ".other", "-device", "virtio-blk-pci,drive=second"}
			}
			restart := "restarting the machine in 0s, as panic=-1 says"
			if strings.HasSuffix(m.words, "panic=1") {
				restart = "restarting the machine in 1s, as panic=1 says"
			}
			console, status := b.boot(t, image, disk, "virtio-blk", "quiet "+m.words, second...)
			if status != 0 || strings.Contains(console, "Kernel panic") {
				t.Errorf("status %d\n%s", status, console)
			}
			for _, want := range append(m.want, "init: the system cannot be started.", restart) {
				if !strings.Contains(console, want) {
					t.Errorf("not said: %s\n%s", want, console)
				}
			}
		})
	}
}

// TestBootHooks: what is to be done before and after mounting is done; before, a program can wait for the root by
// what it holds. One such start is always done.
func TestBootHooks(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: no guests")
	}
	b := newBench(t, "6.1")
	modules := bootModules
	if os.Getenv("GOMODPROBE_LONG") == "" {
		modules = []string{"virtio_blk", "virtio_pci", "ext4"}
	}
	program := filepath.Join(b.dir, "guest")
	image := b.image(t, modules, "--file", program+":/etc/gomodprobe/before-mount.d/before", "--file", program+":/etc/gomodprobe/after-mount.d/after")
	for _, m := range []struct{ bus, fs, root, device string }{
		{"virtio-blk", "ext4", "UUID=" + rootUUID, "vda"},
		{"usb", "ext4", "LABEL=my root", "sda"},
		{"nvme", "partition", "PARTUUID=" + partUUID, "nvme0n1p2"},
		{"ahci", "partition", "PARTLABEL=the root", "sda2"},
	} {
		t.Run(m.bus+"-"+m.fs, func(t *testing.T) {
			if m.bus != "virtio-blk" {
				kmodtest.Long(t)
			}
			console, status := b.boot(t, image, b.disk(t, m.fs), m.bus, `quiet rootdelay=8 "root=`+m.root+`"`)
			r := b.started(t, console, status, m.device, "ext4")
			if r.Mounted < 8_000 {
				t.Errorf("mounted after %d ms, rootdelay=8", r.Mounted)
			}
			for _, want := range []string{
				"guest: hook before: ROOT=" + m.root + " NEWROOT=/sysroot\n", "guest: hook: until " + m.root + ": <nil> \n",
				"guest: hook: until UUID=none: exit status 1 ", "modprobe: ERROR: UUID=none did not appear within ",
				"guest: hook after: ROOT=" + m.root + " NEWROOT=/sysroot\n", "guest: hook: ls /sysroot/dev ",
			} {
				if !strings.Contains(console, want) {
					t.Errorf("not there: %s\n%s", want, console)
				}
			}
		})
	}
}

// TestBootShell: after a failure there is a shell, beside which the keyboard gets its driver; after its end all is
// tried again.
func TestBootShell(t *testing.T) {
	kmodtest.Long(t)
	b := newBench(t, "6.1")
	modules := []string{"virtio_blk", "virtio_pci", "ext4", "xhci_pci", "usbhid", "hid_generic", "usb_storage", "sd_mod"}
	image := b.image(t, modules, "--file", filepath.Join(b.dir, "guest")+":/bin/sh")
	console, status := b.boot(t, image, b.disk(t, "empty"), "virtio-blk", "quiet panic=0 root=/dev/vda", "-device", "qemu-xhci", "-device", "usb-kbd")
	if first, again, ok := strings.Cut(console, "guest: the shell\n"); !ok || status != vmtest.StatusPass ||
		!strings.Contains(first, "what /dev/vda holds is not known here") || !strings.Contains(again, "what /dev/vda holds is not known here") ||
		!strings.Contains(again, "guest: the keyboard has its driver") {
		t.Errorf("status %d\n%s", status, console)
	}
	t.Run("none", func(t *testing.T) { // and the disk comes late
		image := b.image(t, modules)
		console, status := b.boot(t, image, b.disk(t, "ext4"), "usb", "quiet panic=0 rootwait=1 root=UUID="+rootUUID)
		b.started(t, console, status, "sda", "ext4")
		if n := strings.Count(console, "init: the system cannot be started."); n != 1 || !strings.Contains(console, "init: still looking; a disk that is plugged in now will do") {
			t.Errorf("told %d times that the system cannot be started\n%s", n, console)
		}
	})
}

package boot_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// page83 has a serial number of the vendor's, a T10 name and an IEEE one, as disks have them.
var page83 = "\x00\x83\x00\x00" +
	"\x02\x00\x00\x04 abc" +
	"\x02\x01\x00\x08ATA name" +
	"\x01\x03\x00\x08\x50\x01\x43\x80\x12\x34\x56\x78" +
	"\x01\x14\x00\x04\x00\x00\x00\x01"

// page89 is the answer to IDENTIFY DEVICE of an ATA disk.
func page89() string {
	page := make([]byte, 60+512)
	put := func(word, n int, text string) {
		text += strings.Repeat(" ", 2*n-len(text))
		for i := range n {
			page[60+2*(word+i)], page[60+2*(word+i)+1] = text[2*i+1], text[2*i]
		}
	}
	put(10, 10, "  QM00001")
	put(27, 20, "QEMU HARDDISK")
	put(108, 4, "\x50\x01\x43\x80\x12\x34\x56\x78")
	page[60+2*87+1] = 0x41
	return string(page)
}

// TestHardwareNames: by-id and by-path are as udev has them.
func TestHardwareNames(t *testing.T) {
	const pci = "pci0000:00/0000:00:04.0"
	for _, tt := range []struct {
		dir        string
		subsystems map[string]string // by the folder's name
		files      map[string]string
		want       []string
	}{
		{pci + "/virtio1/block/vda", map[string]string{"virtio1": "virtio"}, map[string]string{pci + "/virtio1/block/vda/serial": "my disk"},
			[]string{"by-id/virtio-my_disk", "by-path/pci-0000:00:04.0", "by-path/virtio-pci-0000:00:04.0"}},
		{pci + "/nvme/nvme0/nvme0n1", map[string]string{"nvme0": "nvme"}, map[string]string{
			pci + "/nvme/nvme0/nvme0n1/wwid": "nvme.1b36-6e-51", pci + "/nvme/nvme0/nvme0n1/nsid": "1",
			pci + "/nvme/nvme0/model": "QEMU NVMe Ctrl   ", pci + "/nvme/nvme0/serial": "n   ",
		}, []string{"by-id/nvme-nvme.1b36-6e-51", "by-id/nvme-QEMU_NVMe_Ctrl_n", "by-id/nvme-QEMU_NVMe_Ctrl_n_1", "by-path/pci-0000:00:04.0-nvme-1"}},
		{pci + "/ata2/host1/target1:0:0/1:0:0:0/block/sda", map[string]string{"host1": "scsi", "target1:0:0": "scsi", "1:0:0:0": "scsi"}, map[string]string{
			pci + "/ata2/ata_port/ata2/port_no": "2", pci + "/ata2/host1/target1:0:0/1:0:0:0/vpd_pg89": page89(),
		}, []string{"by-id/ata-QEMU_HARDDISK_QM00001", "by-id/wwn-0x5001438012345678", "by-path/pci-0000:00:04.0-ata-2", "by-path/pci-0000:00:04.0-ata-2.0"}},
		{pci + "/virtio0/host3/target3:0:1/3:0:1:2/block/sdb", map[string]string{"virtio0": "virtio", "host3": "scsi", "target3:0:1": "scsi", "3:0:1:2": "scsi"}, map[string]string{
			pci + "/virtio0/host3/target3:0:1/3:0:1:2/vpd_pg83": page83,
		}, []string{"by-id/wwn-0x5001438012345678", "by-id/scsi-35001438012345678", "by-path/pci-0000:00:04.0-scsi-0:0:1:2"}},
		{pci + "/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdc", map[string]string{"usb1": "usb", "1-1": "usb", "1-1:1.0": "usb", "host6": "scsi", "target6:0:0": "scsi", "6:0:0:0": "scsi"},
			map[string]string{
				pci + "/usb1/1-1/idVendor": "46f4", pci + "/usb1/1-1/serial": "1-0000:00:04.0-1",
				pci + "/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/vendor": "QEMU    ", pci + "/usb1/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/model": "QEMU HARDDISK   ",
			}, []string{"by-id/usb-QEMU_QEMU_HARDDISK_1-0000:00:04.0-1-0:0", "by-path/pci-0000:00:04.0-usb-0:1:1.0-scsi-0:0:0:0"}},
		{"platform/fe340000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0", map[string]string{"mmc0:0001": "mmc", "fe340000.mmc": "platform"}, map[string]string{
			"platform/fe340000.mmc/mmc_host/mmc0/mmc0:0001/name": "SC16G", "platform/fe340000.mmc/mmc_host/mmc0/mmc0:0001/serial": "0x12ab",
		}, []string{"by-id/mmc-SC16G_0x12ab", "by-path/platform-fe340000.mmc"}},
		{"virtual/block/dm-0", nil, map[string]string{"virtual/block/dm-0/dm/name": "vg-root", "virtual/block/dm-0/dm/uuid": "LVM-abc"},
			[]string{"by-id/dm-name-vg-root", "by-id/dm-uuid-LVM-abc"}},
	} {
		fsys := make(fstest.MapFS)
		sysBlock(fsys, tt.dir, "8:0", make([]byte, 512), nil)
		for dir := tt.dir; strings.Contains(dir, "/"); dir = dir[:strings.LastIndexByte(dir, '/')] {
			base := dir[strings.LastIndexByte(dir, '/')+1:]
			if s := tt.subsystems[base]; s != "" {
				subsystem(fsys, dir, s)
			} else if strings.HasPrefix(base, "0000:") {
				subsystem(fsys, dir, "pci")
			}
		}
		for name, text := range tt.files {
			fsys["sys/devices/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		name := tt.dir[strings.LastIndexByte(tt.dir, '/')+1:]
		d, err := boot.Stat(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		d.Read(fsys)
		if diff := cmp.Diff(tt.want, d.IDs); diff != "" {
			t.Errorf("%s, -want +got:\n%s", tt.dir, diff)
		}
		spec, err := boot.ParseSpec("/dev/disk/" + tt.want[0])
		if err != nil || !spec.Match(d) {
			t.Errorf("%s: %v, does not match", tt.want[0], err)
		}
		if name != "vda" {
			continue
		}
		sysBlock(fsys, tt.dir+"/vda2", "8:2", make([]byte, 512), map[string]string{"partition": "2"})
		p, err := boot.Stat(fsys, "vda2")
		if err != nil {
			t.Fatal(err)
		}
		p.Read(fsys)
		if !slices.Contains(p.IDs, "by-id/virtio-my_disk-part2") || !slices.Contains(p.IDs, "by-path/pci-0000:00:04.0-part2") {
			t.Errorf("partition: %q", p.IDs)
		}
	}
}

// subsystem says of what bus or class a device is.
func subsystem(fsys fstest.MapFS, dir, name string) {
	fsys["sys/devices/"+dir+"/subsystem"] = &fstest.MapFile{Data: []byte("../../bus/" + name), Mode: fs.ModeSymlink}
}

// TestSpecNames: names of udev's that are not known here are refused at once, and labels are found as udev writes them.
func TestSpecNames(t *testing.T) {
	for _, root := range []string{
		"/dev/disk/by-id/md-uuid-1", "/dev/disk/by-path/pci-0000:00:04.0-sas-phy0-lun-0", "/dev/disk/by-diskseq/1", "/dev/disk/by-id/", "/dev/disk/x",
	} {
		if _, err := boot.ParseSpec(root); err == nil || !strings.Contains(err.Error(), "name the root by UUID=") {
			t.Errorf("%s: %v", root, err)
		}
	}
	d := &boot.Device{PartLabel: "a/b", Content: boot.Content{Label: "My Disk"}}
	for _, root := range []string{`/dev/disk/by-label/My\x20Disk`, "LABEL=My Disk", `LABEL=My\x20Disk`, `/dev/disk/by-partlabel/a\x2fb`} {
		if spec, err := boot.ParseSpec(root); err != nil || !spec.Match(d) {
			t.Errorf("%s: %v, does not match", root, err)
		}
	}
	if got, want := d.Links(), []string{`by-label/My\x20Disk`, `by-partlabel/a\x2fb`}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
}

// TestPartitionOffset: PARTNROFF counts partitions of the disk from the one that PARTUUID names.
func TestPartitionOffset(t *testing.T) {
	disk := make([]byte, 4<<20)
	copy(disk[440:], "\xfe\xca\xad\x0b")
	disk[510], disk[511] = 0x55, 0xaa
	fsys := make(fstest.MapFS)
	sysBlock(fsys, "pci/sda", "8:0", disk, nil)
	for _, n := range []string{"1", "2", "5"} {
		sysBlock(fsys, "pci/sda/sda"+n, "8:"+n, disk[:4096], map[string]string{"partition": n, "start": "2048"})
	}
	sysBlock(fsys, "pci/sdb", "8:16", make([]byte, 4096), nil)
	sysBlock(fsys, "pci/sdb/sdb2", "8:18", make([]byte, 4096), map[string]string{"partition": "2", "start": "2048"})
	for root, want := range map[string]string{
		"PARTUUID=0BADCAFE-01/PARTNROFF=1": "sda2", "PARTUUID=0badcafe-01/PARTNROFF=4": "sda5", "PARTUUID=0badcafe-02/PARTNROFF=-2": "sda",
		"PARTUUID=0badcafe-02/PARTNROFF=0": "sda2", "PARTUUID=0badcafe-01/PARTNROFF=2": "",
	} {
		spec, err := boot.ParseSpec(root)
		if err != nil {
			t.Fatal(err)
		}
		b := boot.Boot{
			FS: fsys, Config: boot.Config{Wait: time.Millisecond},
			Uevents: func() (coldplug.Uevents, error) { return nil, errors.New("none here") },
		}
		d, err := b.Find(t.Context(), spec)
		if d != nil && d.Name != want || d == nil && want != "" || (err == nil) != (want != "") {
			t.Errorf("%s: %+v, %v; want %q", root, d, err, want)
		}
	}
}

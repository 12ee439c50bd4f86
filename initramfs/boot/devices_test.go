package boot_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// sysBlock adds a block device to a made /sys and /dev.
func sysBlock(fsys fstest.MapFS, dir, number string, content []byte, files map[string]string) {
	name := filepath.Base(dir)
	fsys["sys/class/block/"+name] = &fstest.MapFile{Data: []byte("../../devices/" + dir), Mode: fs.ModeSymlink}
	put := func(file, text string) {
		fsys["sys/devices/"+dir+"/"+file] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	put("dev", number)
	put("size", fmt.Sprint(len(content)/512))
	for file, text := range files {
		put(file, text)
	}
	fsys["dev/"+strings.ReplaceAll(name, "!", "/")] = &fstest.MapFile{Data: content}
}

// disks are tables of partitions as sfdisk reads them, the second partition beginning at block 2048 + 2048.
var disks = []struct {
	name, script   string
	uuid, label    string
	damage         func(disk []byte)
	number         int
	wrongBeginning bool
}{
	{name: "gpt", number: 2, uuid: "11111111-2222-3333-4444-555555aabbcc", label: "Größe: root",
		script: "label: gpt\nstart=2048,size=2048\nstart=4096,size=2048,uuid=11111111-2222-3333-4444-555555AABBCC,name=\"Größe: root\"\n"},
	{name: "gpt, the first table damaged", number: 2, uuid: "11111111-2222-3333-4444-555555aabbcc", label: "r",
		script: "label: gpt\nstart=2048,size=2048\nstart=4096,size=2048,uuid=11111111-2222-3333-4444-555555AABBCC,name=r\n",
		damage: func(disk []byte) { disk[512+40]++ }},
	{name: "gpt, both damaged", number: 2,
		script: "label: gpt\nstart=2048,size=2048\nstart=4096,size=2048,name=r\n",
		damage: func(disk []byte) { disk[512+40]++; disk[len(disk)-512+40]++ }},
	{name: "gpt, not what the kernel has", number: 2, wrongBeginning: true,
		script: "label: gpt\nstart=2048,size=2048\nstart=4096,size=2048,name=r\n"},
	{name: "dos", number: 2, uuid: "0badcafe-02", script: "label: dos\nlabel-id: 0x0badcafe\nstart=2048,size=2048\nstart=4096,size=2048\n"},
	{name: "dos, logical", number: 12, uuid: "0badcafe-0c", script: "label: dos\nlabel-id: 0x0badcafe\nstart=2048,size=2048\nstart=4096,size=2048\n"},
}

func TestPartitions(t *testing.T) {
	kmodtest.Programs(t, "sfdisk")
	for _, tt := range disks {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(file, make([]byte, 8<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sfdisk", "-q", file)
			cmd.Stdin = strings.NewReader(tt.script)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("sfdisk: %v\n%s", err, out)
			}
			disk, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if tt.damage != nil {
				tt.damage(disk)
			}
			fsys := make(fstest.MapFS)
			start := "4096"
			if tt.wrongBeginning {
				start = "4097"
			}
			name := fmt.Sprintf("sda%d", tt.number)
			sysBlock(fsys, "pci/sda", "8:0", disk, map[string]string{"queue/logical_block_size": "512"})
			sysBlock(fsys, "pci/sda/"+name, "8:2", disk[4096*512:6144*512], map[string]string{"partition": fmt.Sprint(tt.number), "start": start})
			d, err := boot.Stat(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			d.Read(fsys)
			if tt.uuid == "" && strings.HasPrefix(d.PartUUID, "00000000-") {
				d.PartUUID = "" // the protective table of a GPT
			}
			if d.Err != nil || d.PartUUID != tt.uuid || d.PartLabel != tt.label {
				t.Errorf("PARTUUID %q, PARTLABEL %q, %v; want %q, %q", d.PartUUID, d.PartLabel, d.Err, tt.uuid, tt.label)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	ext := make([]byte, 8192)
	copy(ext[1024+56:], "\x53\xef")
	fsys := make(fstest.MapFS)
	sysBlock(fsys, "virtual/dm-0", "253:0", ext, map[string]string{"dm/name": "vg-root"})
	sysBlock(fsys, "pci/cciss!c0d0", "104:0", ext, nil)
	sysBlock(fsys, "pci/sdb", "8:16", ext, nil)
	sysBlock(fsys, "pci/sdb/sdb1", "8:17", nil, map[string]string{"partition": "1"})
	sysBlock(fsys, "virtual/ram0", "1:0", ext, nil)
	delete(fsys, "dev/sdb")
	want := []string{"cciss!c0d0", "dm-0", "sdb", "sdb1"}
	if got := boot.Names(fsys); !slices.Equal(got, want) {
		t.Errorf("Names = %q, want %q", got, want)
	}
	for name, want := range map[string]boot.Device{
		"dm-0":       {Name: "dm-0", Node: "dm-0", Number: "253:0", Size: 8192, Mapper: "vg-root", IDs: []string{"by-id/dm-name-vg-root"}, Content: boot.Content{Type: "ext2"}},
		"cciss!c0d0": {Name: "cciss!c0d0", Node: "cciss/c0d0", Number: "104:0", Size: 8192, Content: boot.Content{Type: "ext2"}},
	} {
		d, err := boot.Stat(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		d.Read(fsys)
		if diff := cmp.Diff(want, *d, cmp.AllowUnexported(boot.Device{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	d, err := boot.Stat(fsys, "sdb")
	if err != nil {
		t.Fatal(err)
	}
	if d.Read(fsys); d.Err == nil {
		t.Error("a device without a node was read")
	}
	if _, err := boot.Stat(fsys, "nosuch"); err == nil {
		t.Error("a device that is not there: no error")
	}
}

// FuzzPartition reads tables of any content; a name is found only where the table says that the partition begins.
func FuzzPartition(f *testing.F) {
	disk := make([]byte, 16<<10)
	copy(disk[512:], "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
	binary.LittleEndian.PutUint64(disk[512+72:], 2)
	binary.LittleEndian.PutUint32(disk[512+80:], 4)
	binary.LittleEndian.PutUint32(disk[512+84:], 128)
	fuzzseed.Add(f, disk, 1, "8", "512")
	fuzzseed.Add(f, append(make([]byte, 510), 0x55, 0xaa), 2, "1", "4096")
	f.Fuzz(func(t *testing.T, disk []byte, number int, start, block string) {
		fsys := make(fstest.MapFS)
		sysBlock(fsys, "pci/sda", "8:0", disk, map[string]string{"queue/logical_block_size": block})
		sysBlock(fsys, "pci/sda/sda1", "8:1", disk, map[string]string{"partition": fmt.Sprint(number), "start": start})
		d, err := boot.Stat(fsys, "sda1")
		if err != nil {
			t.Fatal(err)
		}
		d.Read(fsys)
		if d.Err != nil {
			t.Fatalf("reading memory failed: %v", d.Err)
		}
		if d.PartLabel != "" && !bytes.Contains(disk, []byte("EFI PART")) {
			t.Errorf("a label %q without a table", d.PartLabel)
		}
		if d.PartUUID != "" && number < 1 {
			t.Errorf("PARTUUID %q of partition %d", d.PartUUID, number)
		}
	})
}

package boot_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs/boot"
)

func TestParseCmdline(t *testing.T) {
	const wait = boot.DefaultWait
	for _, tt := range []struct {
		line string
		want boot.Config
		bad  int
	}{
		{"", boot.Config{Wait: wait}, 0},
		{"BOOT_IMAGE=/vmlinuz root=UUID=12 ro quiet\n", boot.Config{Root: "UUID=12", Quiet: true, Wait: wait}, 0},
		{"root=/dev/sda1 root=/dev/sdb1 rw", boot.Config{Root: "/dev/sdb1", ReadWrite: true, Wait: wait}, 0},
		{"rw root=1:2 ro", boot.Config{Root: "1:2", Wait: wait}, 0},
		{`root="LABEL=my disk" rootflags=subvol=@,noatime`, boot.Config{Root: "LABEL=my disk", Flags: "subvol=@,noatime", Wait: wait}, 0},
		{`root=LABEL="my disk"	rootfstype=ext4,xfs`, boot.Config{Root: "LABEL=my disk", Types: []string{"ext4", "xfs"}, Wait: wait}, 0},
		{"rootwait rootdelay=3 panic=-1", boot.Config{Delay: 3 * time.Second, Panic: -1}, 0},
		{"rootwait=7 rd.shell=0 init=/bin/bash", boot.Config{Wait: 7 * time.Second, NoShell: true, Init: "/bin/bash"}, 0},
		{"init=/a -- init=/b root=c", boot.Config{Init: "/a", Wait: wait}, 0},
		{"rootdelay=x panic=1s rootwait=-1 ext4.root=5 rootx=5", boot.Config{}, 3},
	} {
		got, bad := boot.ParseCmdline(tt.line)
		if d := cmp.Diff(tt.want, got); d != "" || len(bad) != tt.bad {
			t.Errorf("ParseCmdline(%q): %s; %d bad words (%v), want %d", tt.line, d, len(bad), bad, tt.bad)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for _, tt := range []struct {
		root string
		want boot.Spec
	}{
		{"/dev/sda1", boot.Spec{Kind: boot.Node, Value: "sda1"}},
		{"/dev/mapper/vg-root", boot.Spec{Kind: boot.Node, Value: "mapper/vg-root"}},
		{"/dev/disk/by-uuid/ab-cd", boot.Spec{Kind: boot.UUID, Value: "ab-cd"}},
		{"/dev/disk/by-partlabel/x", boot.Spec{Kind: boot.PartLabel, Value: "x"}},
		{"UUID=ab", boot.Spec{Kind: boot.UUID, Value: "ab"}},
		{"LABEL=a=b", boot.Spec{Kind: boot.Label, Value: "a=b"}},
		{"PARTUUID=01-02", boot.Spec{Kind: boot.PartUUID, Value: "01-02"}},
		{"PARTUUID=01/PARTNROFF=-1", boot.Spec{Kind: boot.PartUUID, Value: "01", Offset: -1}},
		{"/dev/disk/by-id/nvme-x", boot.Spec{Kind: boot.Link, Value: "by-id/nvme-x"}},
		{"PARTLABEL=root", boot.Spec{Kind: boot.PartLabel, Value: "root"}},
		{"8:1", boot.Spec{Kind: boot.Number, Value: "8:1"}},
		{"0801", boot.Spec{Kind: boot.Number, Value: "8:1"}},
		{"10301", boot.Spec{Kind: boot.Number, Value: "259:1"}},
		{"10300001", boot.Spec{Kind: boot.Number, Value: "0:66305"}}, // minors have bits above the major
		{"fd00", boot.Spec{Kind: boot.Number, Value: "253:0"}},
	} {
		if got, err := boot.ParseSpec(tt.root); err != nil || got != tt.want {
			t.Errorf("ParseSpec(%q) = %v, %v; want %v", tt.root, got, err, tt.want)
		}
	}
	for _, root := range []string{"", "UUID=", "ID=5", "/dev/nfs", "sda1", "PARTUUID=ab/PARTNROFF=x", "PARTUUID=ab/c", "UUID=a/PARTNROFF=1", "5000:1", "1:2:3"} {
		if got, err := boot.ParseSpec(root); err == nil {
			t.Errorf("ParseSpec(%q) = %v; want an error", root, got)
		}
	}
}

func TestMatch(t *testing.T) {
	ext := boot.Content{Type: "ext4", UUID: "0a-0b", Label: "root"}
	part := &boot.Device{Node: "sda2", Number: "8:2", PartUUID: "0c-0d", PartLabel: "Linux root", Content: ext}
	dm := &boot.Device{Node: "dm-0", Number: "253:0", Mapper: "my--vg-root", Content: ext}
	luks := &boot.Device{Node: "sda3", Number: "8:3", PartUUID: "ee", Content: boot.Content{Type: "crypto_LUKS", UUID: "0a-0b", Label: "root"}}
	empty := &boot.Device{Node: "sdb", Number: "8:16"}
	for _, tt := range []struct {
		root string
		want []*boot.Device
	}{
		{"/dev/sda2", []*boot.Device{part}},
		{"8:2", []*boot.Device{part}},
		{"0802", []*boot.Device{part}},
		{"UUID=0A-0B", []*boot.Device{part, dm}},
		{"LABEL=root", []*boot.Device{part, dm}},
		{"LABEL=ROOT", nil},
		{"PARTUUID=0C-0d", []*boot.Device{part}},
		{"PARTUUID=ee", []*boot.Device{luks}},
		{"PARTLABEL=Linux root", []*boot.Device{part}},
		{"/dev/dm-0", []*boot.Device{dm}},
		{"/dev/mapper/my--vg-root", []*boot.Device{dm}},
		{"/dev/my-vg/root", []*boot.Device{dm}},
		{"/dev/my--vg/root", nil},
	} {
		spec, err := boot.ParseSpec(tt.root)
		if err != nil {
			t.Fatal(err)
		}
		var got []*boot.Device
		for _, d := range []*boot.Device{part, dm, luks, empty} {
			if spec.Match(d) {
				got = append(got, d)
			}
		}
		if !cmp.Equal(tt.want, got, cmp.Comparer(func(a, b *boot.Device) bool { return a == b })) {
			t.Errorf("root=%s: %v, want %v", tt.root, got, tt.want)
		}
	}
}

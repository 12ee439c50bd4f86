package boot_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// makers make file systems; blkid says what they are.
var makers = []struct {
	name    string
	size    int64
	command []string // the file is put behind
}{
	{"ext2", 4 << 20, []string{"mke2fs", "-q", "-t", "ext2", "-L", "second"}},
	{"ext3", 8 << 20, []string{"mke2fs", "-q", "-t", "ext3", "-L", "with blank"}},
	{"ext4", 8 << 20, []string{"mke2fs", "-q", "-t", "ext4", "-L", "0123456789abcdef"}},
	{"ext4 without a journal", 4 << 20, []string{"mke2fs", "-q", "-t", "ext4", "-O", "^has_journal"}},
	{"xfs", 320 << 20, []string{"mkfs.xfs", "-q", "-L", "x"}},
	{"btrfs", 128 << 20, []string{"mkfs.btrfs", "-q", "-L", "a long label for a file system"}},
	{"f2fs", 64 << 20, []string{"mkfs.f2fs", "-q", "-l", "sixteen bits"}},
	{"vfat 12", 1 << 20, []string{"mkfs.vfat", "-F", "12", "-n", "BOOT"}},
	{"vfat 16", 16 << 20, []string{"mkfs.vfat", "-F", "16"}},
	{"vfat 32", 64 << 20, []string{"mkfs.vfat", "-F", "32", "-n", "EFI SYSTEM"}},
	{"swap", 1 << 20, []string{"mkswap", "-q", "-L", "swapped"}},
	{"zeros", 1 << 20, []string{"true"}},
	{"a few bytes", 100, []string{"true"}},
}

// TestIdentify compares with blkid what is made by the programs that make file systems.
func TestIdentify(t *testing.T) {
	kmodtest.Programs(t, "blkid")
	dir := t.TempDir()
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			kmodtest.Programs(t, m.command[0])
			file := filepath.Join(dir, strings.ReplaceAll(m.name, " ", "-"))
			if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, m.size)); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(m.command[0], append(m.command[1:], file)...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", m.command, err, out)
			}
			compareBlkid(t, file)
		})
	}
	for name, command := range map[string][]string{"squashfs": {"mksquashfs", dir + "/a-few-bytes", "", "-quiet", "-no-progress"},
		"erofs": {"mkfs.erofs", "", dir + "/in"}} {
		t.Run(name, func(t *testing.T) {
			kmodtest.Programs(t, command[0])
			file := filepath.Join(dir, name)
			for i := range command {
				if command[i] == "" {
					command[i] = file
				}
			}
			if err := os.MkdirAll(dir+"/in/folder", 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", command, err, out)
			}
			compareBlkid(t, file)
		})
	}
}

// compareBlkid fails unless Identify and blkid find the same.
func compareBlkid(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, err := boot.Identify(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("blkid", "-p", "-o", "export", file).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 2) { // 2: it is nothing that blkid knows
		t.Fatal(err)
	}
	var want boot.Content
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.ReplaceAll(value, `\`, "")
		switch key {
		case "TYPE":
			want.Type = value
		case "UUID":
			want.UUID = value
		case "LABEL":
			want.Label = value
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("blkid (-) and ours (+) differ: %s\n%s", d, out)
	}
}

// TestIdentifyMembers: what is the lower half of something is recognized, with a file system shining through.
func TestIdentifyMembers(t *testing.T) {
	const size = 1 << 20
	put := func(image []byte, at int, text string) []byte { copy(image[at:], text); return image }
	ext := func() []byte { return put(make([]byte, size), 1024+56, "\x53\xef") }
	const raid = "\xfc\x4e\x2b\xa9"
	for _, tt := range []struct {
		image []byte
		want  boot.Content
	}{
		{ext(), boot.Content{Type: "ext2"}},
		{put(put(ext(), 0, "LUKS\xba\xbe"), 168, "1234-5"), boot.Content{Type: "crypto_LUKS", UUID: "1234-5"}},
		{put(ext(), 512+24, "LVM2 001"), boot.Content{Type: "LVM2_member"}},
		{put(ext(), 4096, raid), boot.Content{Type: "linux_raid_member"}},
		{put(ext(), size-8<<10, raid), boot.Content{Type: "linux_raid_member"}},
		{put(ext(), size-64<<10, raid), boot.Content{Type: "linux_raid_member"}},
		{put(make([]byte, size), 0, "XFSB"), boot.Content{}}, // no size of blocks
		{put(make([]byte, size), 82, "FAT32   "), boot.Content{}},
	} {
		got, err := boot.Identify(bytes.NewReader(tt.image), size)
		if err != nil || got != tt.want {
			t.Errorf("Identify = %+v, %v; want %+v", got, err, tt.want)
		}
		if m := got.Member(); m != strings.Contains("crypto_LUKS LVM2_member linux_raid_member", got.Type) && got.Type != "" {
			t.Errorf("%s: Member = %t", got.Type, m)
		}
	}
}

// FuzzIdentify: whatever is on a disk, the answer depends on nothing but what is there, is as said, and what lies
// behind the end that is claimed does not matter.
func FuzzIdentify(f *testing.F) {
	for at, magic := range map[int]string{0: "XFSB\x00\x00\x10\x00", 1024 + 56: "\x53\xef", 1024: "\x10\x20\xf5\xf2", 4086: "SWAPSPACE2", 54: "FAT16   ", 0x10040: "_BHRfS_M"} {
		image := make([]byte, at+600)
		copy(image[at:], magic)
		fuzzseed.Add(f, image, int64(len(image)))
	}
	f.Fuzz(func(t *testing.T, image []byte, size int64) {
		c, err := boot.Identify(bytes.NewReader(image), size)
		if err != nil {
			t.Fatalf("reading memory failed: %v", err)
		}
		if c.Type == "" && (c.UUID != "" || c.Label != "") {
			t.Errorf("%+v is of no type", c)
		}
		if strings.ContainsRune(c.Label, 0) || len(c.UUID) > 40 || len(c.Label) > 3*512 {
			t.Errorf("%+v is longer than any UUID or label", c)
		}
		if size >= 0 && size < int64(len(image)) && size < 60<<10 {
			again, err := boot.Identify(bytes.NewReader(image[:size]), size)
			if err != nil || again != c {
				t.Errorf("%+v, and %+v, %v without what lies behind the end", c, again, err)
			}
		}
	})
}

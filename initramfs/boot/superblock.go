package boot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Content is what a block device holds.
type Content struct {
	// Type is the kernel's name of a file system, or what blkid(8) calls something else: crypto_LUKS, LVM2_member,
	// linux_raid_member, swap. Empty: not known.
	Type string
	// UUID in the spelling that is usual for the type; empty if it has none.
	UUID string
	// Label, empty if it has none.
	Label string
}

// Member reports whether the content is not a file system but the lower half of one.
func (c Content) Member() bool {
	return c.Type == "crypto_LUKS" || c.Type == "LVM2_member" || c.Type == "linux_raid_member"
}

// headSize is how much of a device is read: up to the end of btrfs's superblock, the last one.
const headSize = 68 << 10

// format says where a superblock has what. An offset of 0 is for what it does not have.
type format struct {
	name     string
	at       int
	magic    string
	uuid     int
	label    int
	labelLen int
}

// formats in the order in which they are looked for: members of something first, since the file system shows through an
// array of mirrored disks; then by how little of the beginning a file system leaves to what was there before.
var formats = [...]format{
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9", 16, 32, 32},
	{"linux_raid_member", 4096, "\xfc\x4e\x2b\xa9", 4096 + 16, 4096 + 32, 32},
	{"crypto_LUKS", 0, "LUKS\xba\xbe", 0, 0, 0},
	{"LVM2_member", 512 + 24, "LVM2 001", 0, 0, 0},
	{"LVM2_member", 24, "LVM2 001", 0, 0, 0},
	{"xfs", 0, "XFSB", 32, 108, 12},
	{"squashfs", 0, "hsqs", 0, 0, 0},
	{"ext4", 1024 + 56, "\x53\xef", 1024 + 104, 1024 + 120, 16},
	{"f2fs", 1024, "\x10\x20\xf5\xf2", 1024 + 108, 0, 0},
	{"erofs", 1024, "\xe2\xe1\xf5\xe0", 1024 + 48, 1024 + 64, 16},
	{"btrfs", 0x10040, "_BHRfS_M", 0x10020, 0x1012b, 256},
	{"iso9660", 0x8001, "CD001", 0, 0x8028, 32},
	{"swap", 4096 - 10, "SWAPSPACE2", 1024 + 12, 1024 + 28, 16},
	{"vfat", 82, "FAT32   ", 0, 71, 11},
	{"vfat", 54, "FAT1", 0, 43, 11},
}

// Identify finds out what a device of that many bytes holds. The error is that of reading; not knowing is none.
func Identify(r io.ReaderAt, size int64) (Content, error) {
	head := make([]byte, min(headSize, max(size, 0)))
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Content{}, err
	}
	head = head[:n]
	if endRAID(r, size) {
		return Content{Type: "linux_raid_member"}, nil
	}
	for i := range formats {
		f := &formats[i]
		if string(field(head, f.at, len(f.magic))) != f.magic {
			continue
		}
		c := Content{Type: f.name, Label: text(field(head, f.label, f.labelLen))}
		if f.uuid > 0 {
			c.UUID = dashed(field(head, f.uuid, 16))
		}
		if f.refine(&c, head) {
			return c, nil
		}
	}
	return Content{}, nil
}

// endRAID looks for the two kinds of superblocks of arrays that are at the end of a device.
func endRAID(r io.ReaderAt, size int64) bool {
	var magic [4]byte
	for _, at := range [...]int64{size&^0xffff - 0x10000, (size - 8<<10) &^ 0xfff} {
		if at <= 0 {
			continue
		}
		if _, err := r.ReadAt(magic[:], at); err != nil {
			continue // whoever needs this part finds out that it cannot be read
		}
		if m := binary.LittleEndian.Uint32(magic[:]); m == 0xa92b4efc {
			return true
		}
	}
	return false
}

// field is a part of the head; empty if it is not there in full.
func field(head []byte, at, n int) []byte {
	if at > len(head) || n > len(head)-at {
		return nil
	}
	return head[at : at+n]
}

// text ends at the first NUL, and has no blanks at its end.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimRight(s, " ")
}

// dashed writes 16 bytes as 8-4-4-4-12 digits; nothing but zeros is no UUID.
func dashed(b []byte) string {
	if len(b) != 16 || string(b) == string(make([]byte, 16)) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// refine completes what a format finds; it reports false if the magic number is there by chance.
func (f *format) refine(c *Content, head []byte) bool {
	switch f.name {
	case "crypto_LUKS":
		c.UUID = text(field(head, 168, 40))
	case "LVM2_member":
		// 6-4-4-4-4-4-6, as lvm prints it
		if id := string(field(head, f.at+8, 32)); len(id) == 32 && strings.Trim(id, "\x00 ") == id {
			c.UUID = strings.Join([]string{id[:6], id[6:10], id[10:14], id[14:18], id[18:22], id[22:26], id[26:]}, "-")
		}
	case "xfs":
		size := field(head, 4, 4)
		return len(size) == 4 && binary.BigEndian.Uint32(size)-512 <= 65536-512
	case "squashfs":
		return string(field(head, 28, 2)) == "\x04\x00" // the version
	case "ext4":
		return refineExt(c, field(head, 1024, 1024))
	case "f2fs":
		c.Label = utf16String(field(head, 1024+124, 512))
	case "vfat":
		id := field(head, f.label-4, 4)
		if len(id) < 4 || string(field(head, 510, 2)) != "\x55\xaa" {
			return false
		}
		c.UUID = fmt.Sprintf("%02X%02X-%02X%02X", id[3], id[2], id[1], id[0])
		if c.Label == "NO NAME" {
			c.Label = ""
		}
	}
	return true
}

// refineExt tells ext2, ext3 and ext4 apart by the features that their drivers know.
func refineExt(c *Content, sb []byte) bool {
	if len(sb) < 1024 || binary.LittleEndian.Uint32(sb[24:]) > 6 { // blocks of more than 64 KiB
		return false
	}
	const (
		hasJournal  = 0x4
		journalDev  = 0x8
		ext3Incompt = 0x2 | 0x4 | 0x10 // file types, recovery, meta block groups
		ext3ReadOnl = 0x1 | 0x2 | 0x4  // sparse superblocks, large files, btree folders
	)
	compat, incompat, ro := binary.LittleEndian.Uint32(sb[92:]), binary.LittleEndian.Uint32(sb[96:]),
		binary.LittleEndian.Uint32(sb[100:])
	switch {
	case incompat&journalDev != 0:
		c.Type = "jbd"
	case incompat&^ext3Incompt != 0 || ro&^ext3ReadOnl != 0:
		c.Type = "ext4"
	case compat&hasJournal != 0:
		c.Type = "ext3"
	default:
		c.Type = "ext2"
	}
	return true
}

// utf16String reads UTF-16 up to a NUL.
func utf16String(b []byte) string {
	var s []rune
	for ; len(b) >= 2; b = b[2:] {
		u := rune(binary.LittleEndian.Uint16(b))
		if u == 0 {
			break
		}
		if n := len(s) - 1; n >= 0 && utf16.IsSurrogate(s[n]) {
			if r := utf16.DecodeRune(s[n], u); r != utf8.RuneError {
				s[n] = r
				continue
			}
		}
		s = append(s, u)
	}
	return string(s)
}

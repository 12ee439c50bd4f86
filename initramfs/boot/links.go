package boot

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Links returns the names that udev would have for the device below /dev/disk.
func (d *Device) Links() []string {
	links := append([]string(nil), d.IDs...)
	add := func(dir, name string) {
		if name != "" {
			links = append(links, dir+encode(name))
		}
	}
	if d.Type != "linux_raid_member" { // of which each disk has the same
		add("by-uuid/", d.UUID)
		add("by-label/", d.Label)
	}
	add("by-partuuid/", strings.ToLower(d.PartUUID))
	add("by-partlabel/", d.PartLabel)
	return links
}

// encode writes a label as udev does in the name of a link: ASCII but letters, digits and "#+-.:=@_" as \x20 and the
// like, and so what is not UTF-8.
func encode(label string) string {
	var b strings.Builder
	for i := 0; i < len(label); {
		r, n := utf8.DecodeRuneInString(label[i:])
		switch {
		case n > 1, r < utf8.RuneSelf && (r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' ||
			strings.ContainsRune("#+-.:=@_", r)):
			b.WriteString(label[i : i+n])
		default:
			fmt.Fprintf(&b, `\x%02x`, label[i])
		}
		i += n
	}
	return b.String()
}

// link makes the links of a device.
func (b *Boot) link(d *Device) {
	for _, name := range d.Links() {
		if err := b.System.Link("../../"+d.Node, "/dev/disk/"+name); err != nil {
			b.log("%v", err)
		}
	}
}

// linkWait is how long hooks wait for the links of the devices that are there already, should one be slow to read.
const linkWait = 2 * time.Second

// startLinks makes the links in /dev/disk for hooks and shells: those of the devices that are there before it returns,
// and those of devices that appear until ctx ends.
func (b *Boot) startLinks(ctx context.Context) {
	if b.linked {
		return
	}
	b.linked = true
	left := make(map[string]bool)
	for _, name := range Names(b.FS) {
		if d, err := Stat(b.FS, name); err == nil && d.Size > 0 {
			left[name] = true
		}
	}
	first := make(chan struct{})
	begun := time.Now()
	check := func() (bool, error) {
		if left != nil && (len(left) == 0 || time.Since(begun) > linkWait) {
			left = nil
			close(first)
		}
		return false, nil
	}
	check()
	go b.watch(ctx, watcher{
		see: func(d *Device) (bool, error) {
			b.link(d)
			delete(left, d.Name)
			return check()
		},
		tick: check,
	})
	select {
	case <-first:
	case <-time.After(linkWait):
	case <-ctx.Done():
	}
}

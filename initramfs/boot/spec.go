package boot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Spec is what root= names.
type Spec struct {
	// Kind is how the device is named.
	Kind Kind
	// Value is the name.
	Value string
	// Offset is how many partitions behind the named one the device is: PARTNROFF.
	Offset int
	// Inside reports that what is a member of an array, of a volume group, or encrypted, is meant by its own UUID.
	Inside bool
}

// Kind is a way to name a device.
type Kind string

// The ways to name a device.
const (
	Node      Kind = "/dev/"      // Value is the path below /dev
	Number    Kind = "number"     // Value is MAJOR:MINOR
	UUID      Kind = "UUID"       // of the file system
	Label     Kind = "LABEL"      // of the file system
	PartUUID  Kind = "PARTUUID"   // of the partition
	PartLabel Kind = "PARTLABEL"  // of the partition
	Link      Kind = "/dev/disk/" // Value is the path of udev's link below /dev/disk
)

// byLinks are the folders of links that udev makes, which are not there yet.
var byLinks = [...]struct {
	dir  string
	kind Kind
}{
	{"disk/by-uuid/", UUID}, {"disk/by-label/", Label}, {"disk/by-partuuid/", PartUUID},
	{"disk/by-partlabel/", PartLabel},
}

// ParseSpec reads the value of root=.
func ParseSpec(root string) (Spec, error) {
	if node, ok := strings.CutPrefix(root, "/dev/"); ok {
		for _, l := range byLinks {
			if value, ok := strings.CutPrefix(node, l.dir); ok {
				return Spec{Kind: l.kind, Value: value}, nil
			}
		}
		if link, ok := strings.CutPrefix(node, "disk/"); ok {
			return parseLink(link)
		}
		if node == "nfs" || node == "cifs" {
			return Spec{}, errors.New("it is on the network, which needs a hook that mounts it")
		}
		return Spec{Kind: Node, Value: node}, nil
	}
	key, value, ok := strings.Cut(root, "=")
	if ok {
		switch kind := Kind(key); kind {
		case UUID, Label, PartUUID, PartLabel:
			value, behind, has := strings.Cut(value, "/PARTNROFF=")
			if kind != PartUUID && has || kind == PartUUID && strings.Contains(value+behind, "/") || value == "" {
				break
			}
			spec := Spec{Kind: kind, Value: value}
			if has {
				n, err := strconv.ParseInt(behind, 10, 16)
				if err != nil {
					return Spec{}, errors.New("PARTNROFF= takes a number of partitions")
				}
				spec.Offset = int(n)
			}
			return spec, nil
		}
		return Spec{}, errors.New("there are UUID=, LABEL=, PARTUUID= and PARTLABEL=, each with a value")
	}
	if major, minor, ok := strings.Cut(root, ":"); ok {
		a, err1 := strconv.ParseUint(major, 10, 12)
		b, err2 := strconv.ParseUint(minor, 10, 20)
		if err1 == nil && err2 == nil {
			return Spec{Kind: Number, Value: fmt.Sprintf("%d:%d", a, b)}, nil
		}
	} else if n, err := strconv.ParseUint(root, 16, 32); err == nil { // as the kernel packs a device number
		return Spec{Kind: Number, Value: fmt.Sprintf("%d:%d", n>>8&0xfff, n&0xff|n>>12&0xfff00)}, nil
	}
	return Spec{}, errors.New("it names no device: there are /dev/NAME, UUID=, LABEL=, PARTUUID=, PARTLABEL= and " +
		"MAJOR:MINOR")
}

// linkHelp says what works instead of a link of udev's.
const linkHelp = "name the root by UUID=, LABEL=, PARTUUID= or PARTLABEL=, which blkid shows"

// parseLink reads a path below /dev/disk that is neither a UUID nor a label.
func parseLink(link string) (Spec, error) {
	switch dir, name, _ := strings.Cut(link, "/"); {
	case dir == "by-id" && hasPrefix(name, "virtio-", "nvme-", "mmc-", "ata-", "scsi-", "wwn-", "usb-", "dm-name-",
		"dm-uuid-"):
	case dir == "by-path" && hasPrefix(name, "pci-", "platform-", "virtio-pci-") &&
		!hasInfix(name, "-sas-", "-fc-", "-iscsi-", "-ip-"):
	default:
		return Spec{}, fmt.Errorf("how udev makes that name is not known here: %s", linkHelp)
	}
	return Spec{Kind: Link, Value: link}, nil
}

func hasPrefix(s string, list ...string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(s, p) })
}

func hasInfix(s string, list ...string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.Contains(s, p) })
}

// String returns what root= may have said.
func (s Spec) String() string {
	switch s.Kind {
	case Node, Link:
		return string(s.Kind) + s.Value
	case Number:
		return s.Value
	}
	if s.Offset != 0 {
		return fmt.Sprintf("%s=%s/PARTNROFF=%d", s.Kind, s.Value, s.Offset)
	}
	return string(s.Kind) + "=" + s.Value
}

// Match reports whether the device is meant. UUIDs are compared without regard to case, and labels may be
// written as udev writes them into links, with \x20 for a blank. What is a member of an array, of a volume group, or
// encrypted, is meant by what it holds only with Inside.
func (s Spec) Match(d *Device) bool {
	switch s.Kind {
	case Node:
		return s.Value == d.Node ||
			d.Mapper != "" && (s.Value == "mapper/"+d.Mapper || volume(s.Value) == d.Mapper)
	case Number:
		return s.Value == d.Number
	case UUID:
		return (s.Inside || !d.Member()) && d.UUID != "" && strings.EqualFold(s.Value, d.UUID)
	case Label:
		return (s.Inside || !d.Member()) && isLabel(s.Value, d.Label)
	case PartUUID:
		return s.Offset == 0 && d.PartUUID != "" && strings.EqualFold(s.Value, d.PartUUID)
	case PartLabel:
		return isLabel(s.Value, d.PartLabel)
	case Link:
		return slices.Contains(d.IDs, s.Value)
	}
	return false
}

// counts reports whether the device is the partition that PARTNROFF counts from.
func (s Spec) counts(d *Device) bool {
	return s.Offset != 0 && s.Kind == PartUUID && Spec{Kind: PartUUID, Value: s.Value}.Match(d)
}

// isLabel compares a label with what may be its spelling in a link.
func isLabel(value, label string) bool {
	return label != "" && (value == label || value == encode(label))
}

// volume returns the name that the device mapper has for GROUP/VOLUME.
func volume(node string) string {
	group, name, ok := strings.Cut(node, "/")
	if !ok {
		return ""
	}
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return double(group) + "-" + double(name)
}

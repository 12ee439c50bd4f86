package boot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Spec is what root= names.
type Spec struct {
	// Kind is how the device is named.
	Kind Kind
	// Value is the name.
	Value string
}

// Kind is a way to name a device.
type Kind string

// The ways to name a device.
const (
	Node      Kind = "/dev/"     // Value is the path below /dev
	Number    Kind = "number"    // Value is MAJOR:MINOR
	UUID      Kind = "UUID"      // of the file system
	Label     Kind = "LABEL"     // of the file system
	PartUUID  Kind = "PARTUUID"  // of the partition
	PartLabel Kind = "PARTLABEL" // of the partition
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
				return Spec{l.kind, value}, nil
			}
		}
		if node == "nfs" || node == "cifs" {
			return Spec{}, errors.New("it is on the network, which needs a hook that mounts it")
		}
		return Spec{Node, node}, nil
	}
	key, value, ok := strings.Cut(root, "=")
	if ok {
		switch kind := Kind(key); kind {
		case UUID, Label, PartUUID, PartLabel:
			if value == "" || kind == PartUUID && strings.Contains(value, "/") {
				break
			}
			return Spec{kind, value}, nil
		}
		return Spec{}, errors.New("there are UUID=, LABEL=, PARTUUID= and PARTLABEL=, each with a value")
	}
	if major, minor, ok := strings.Cut(root, ":"); ok {
		a, err1 := strconv.ParseUint(major, 10, 12)
		b, err2 := strconv.ParseUint(minor, 10, 20)
		if err1 == nil && err2 == nil {
			return Spec{Number, fmt.Sprintf("%d:%d", a, b)}, nil
		}
	} else if n, err := strconv.ParseUint(root, 16, 32); err == nil { // as the kernel packs a device number
		return Spec{Number, fmt.Sprintf("%d:%d", n>>8&0xfff, n&0xff|n>>12&0xfff00)}, nil
	}
	return Spec{}, errors.New("it names no device: there are /dev/NAME, UUID=, LABEL=, PARTUUID=, PARTLABEL= and " +
		"MAJOR:MINOR")
}

// String returns what root= may have said.
func (s Spec) String() string {
	switch s.Kind {
	case Node:
		return string(Node) + s.Value
	case Number:
		return s.Value
	}
	return string(s.Kind) + "=" + s.Value
}

// Match reports whether the device is meant. UUIDs are compared without regard to case. What is a member of an array,
// of a volume group, or encrypted, is never meant by what it holds.
func (s Spec) Match(d *Device) bool {
	switch s.Kind {
	case Node:
		return s.Value == d.Node ||
			d.Mapper != "" && (s.Value == "mapper/"+d.Mapper || volume(s.Value) == d.Mapper)
	case Number:
		return s.Value == d.Number
	case UUID:
		return !d.Member() && d.UUID != "" && strings.EqualFold(s.Value, d.UUID)
	case Label:
		return !d.Member() && d.Label != "" && s.Value == d.Label
	case PartUUID:
		return d.PartUUID != "" && strings.EqualFold(s.Value, d.PartUUID)
	case PartLabel:
		return d.PartLabel != "" && s.Value == d.PartLabel
	}
	return false
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

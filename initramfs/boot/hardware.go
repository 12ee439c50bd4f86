package boot

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// hardwareNames returns the names below /dev/disk that udev gives a block device by what its hardware says, in by-id
// and by-path; of what is not known here there is none.
func hardwareNames(fsys fs.FS, d *Device) (names []string) {
	dir, ok := sysDir(fsys, d.Name)
	if !ok {
		return nil
	}
	suffix := ""
	if d.Partition > 0 {
		dir = path.Dir(dir)
		suffix = fmt.Sprintf("-part%d", d.Partition)
	}
	h := &hardware{fsys: fsys, dir: dir, name: path.Base(dir)}
	for _, id := range h.ids() {
		names = append(names, "by-id/"+id+suffix)
	}
	for _, p := range h.paths() {
		names = append(names, "by-path/"+p+suffix)
	}
	return names
}

// sysDir returns the folder of a block device below sys/devices.
func sysDir(fsys fs.FS, name string) (string, bool) {
	target, err := fs.ReadLink(fsys, "sys/class/block/"+name)
	dir := path.Join("sys/class/block", target)
	return dir, err == nil && strings.HasPrefix(dir, "sys/devices/")
}

// hardware is a disk in /sys.
type hardware struct {
	fsys fs.FS
	dir  string // of the disk
	name string
}

// parents are the folders of the devices above the disk, the nearest first.
func (h *hardware) parents() (dirs []string) {
	for dir := path.Dir(h.dir); strings.HasPrefix(dir, "sys/devices/"); dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	return dirs
}

// subsystem is the class or bus of a device, empty for a folder that is none.
func (h *hardware) subsystem(dir string) string {
	target, err := fs.ReadLink(h.fsys, dir+"/subsystem")
	if err != nil {
		return ""
	}
	return path.Base(target)
}

// above returns the first parent of a subsystem.
func (h *hardware) above(subsystem string) (dir string, ok bool) {
	for _, dir := range h.parents() {
		if h.subsystem(dir) == subsystem {
			return dir, true
		}
	}
	return "", false
}

// attr reads an attribute; blanks in there and what udev does not let into the name of a link become an underscore.
func (h *hardware) attr(name string) string {
	data, err := fs.ReadFile(h.fsys, name)
	if err != nil {
		return ""
	}
	return linkWord(string(data))
}

// linkWord is a text as udev puts it into the name of a link.
func linkWord(text string) string {
	text, _, _ = strings.Cut(text, "\x00")
	text = strings.Join(strings.Fields(text), "_")
	return strings.Map(func(r rune) rune {
		if r < 0x80 && !strings.ContainsRune("#+-.:=@_", r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return '_'
		}
		return r
	}, text)
}

// ids are the names in by-id.
func (h *hardware) ids() []string {
	switch {
	case strings.HasPrefix(h.name, "vd"):
		return prefixed("virtio-", h.attr(h.dir+"/serial"))
	case strings.HasPrefix(h.name, "dm-"):
		return append(prefixed("dm-name-", h.attr(h.dir+"/dm/name")), prefixed("dm-uuid-", h.attr(h.dir+"/dm/uuid"))...)
	case strings.HasPrefix(h.name, "nvme"):
		return h.nvme()
	case strings.HasPrefix(h.name, "mmcblk"):
		card := path.Dir(path.Dir(h.dir))
		return joined("mmc-", "_", h.attr(card+"/name"), h.attr(card+"/serial"))
	case strings.HasPrefix(h.name, "sd"), strings.HasPrefix(h.name, "sr"):
		return h.scsi()
	}
	return nil
}

// prefixed is a name of one part, none if that is empty.
func prefixed(prefix, part string) []string { return joined(prefix, "_", part) }

// joined is a name of parts, none if one of them is empty.
func joined(prefix, between string, parts ...string) []string {
	if slices.Contains(parts, "") {
		return nil
	}
	return []string{prefix + strings.Join(parts, between)}
}

// nvme are the names of a namespace: by its world wide name, and by model and serial number of the controller, with the
// number of the namespace as well in newer versions of udev.
func (h *hardware) nvme() []string {
	names := prefixed("nvme-", h.attr(h.dir+"/wwid"))
	for _, dir := range h.parents() {
		model, serial := h.attr(dir+"/model"), h.attr(dir+"/serial")
		if model == "" || serial == "" {
			continue
		}
		names = append(names, "nvme-"+model+"_"+serial)
		return append(names, joined("nvme-", "_", model, serial, h.attr(h.dir+"/nsid"))...)
	}
	return names
}

// scsi are the names of a SCSI disk, which may be one behind ATA or USB.
func (h *hardware) scsi() []string {
	device := path.Dir(path.Dir(h.dir))
	if usb, ok := h.above("usb"); ok {
		for ; usb != "." && h.attr(usb+"/idVendor") == ""; usb = path.Dir(usb) {
		}
		serial := h.attr(usb + "/serial")
		parts := []string{h.attr(device + "/vendor"), h.attr(device + "/model")}
		if serial != "" {
			parts = append(parts, serial)
		}
		_, lun, _ := strings.Cut(path.Base(device), ":")
		_, lun, _ = strings.Cut(lun, ":") // TARGET:LUN
		names := joined("usb-", "_", parts...)
		if len(names) > 0 {
			names[0] += "-" + lun
		}
		return names
	}
	if page, err := fs.ReadFile(h.fsys, device+"/vpd_pg89"); err == nil && len(page) >= 60+512 {
		return ataNames(page[60:])
	}
	page, err := fs.ReadFile(h.fsys, device+"/vpd_pg83")
	if err != nil || len(page) < 4 {
		return nil
	}
	return scsiNames(page[4:], h.attr(device+"/vendor"), h.attr(device+"/model"))
}

// ataNames are the names by the answer to IDENTIFY DEVICE.
func ataNames(identify []byte) []string {
	words := func(from, n int) []byte { // the bytes of each word are swapped
		out := make([]byte, 0, 2*n)
		for i := from; i < from+n; i++ {
			out = append(out, identify[2*i+1], identify[2*i])
		}
		return out
	}
	names := joined("ata-", "_", linkWord(string(words(27, 20))), linkWord(string(words(10, 10))))
	if wwn := words(108, 4); identify[2*87+1]&0xc1 == 0x41 && wwn[0]>>4 == 5 {
		names = append(names, fmt.Sprintf("wwn-0x%x", wwn))
	}
	return names
}

// scsiNames are the names by the designators of page 83 that are those of the disk: the best one names it.
func scsiNames(list []byte, vendor, model string) (names []string) {
	best, name := 0, ""
	for len(list) >= 4 && len(list) >= 4+int(list[3]) {
		kind, association, binary := int(list[1]&0xf), list[1]>>4&3, list[0]&0xf == 1
		data := list[4 : 4+int(list[3])]
		list = list[4+int(list[3]):]
		if association != 0 || len(data) == 0 {
			continue
		}
		text := fmt.Sprintf("%x", data)
		if !binary {
			text = string(data)
		}
		rank := kind + 1
		switch kind {
		case 3: // NAA, the longer ones first
			rank = 10
			if data[0]>>4 == 6 {
				rank = 11
			}
			if data[0]>>4 >= 5 {
				names = append(names, "wwn-0x"+text)
			}
		case 0:
			text = vendor + "_" + model + "_" + text
		case 1, 2:
		default:
			continue
		}
		if rank > best {
			best, name = rank, strconv.Itoa(kind)+linkWord(text)
		}
	}
	if name != "" {
		names = append(names, "scsi-"+name)
	}
	return names
}

// paths are the names in by-path: the way to the disk, from the outermost bus.
func (h *hardware) paths() []string {
	var last [][]string // of each part, the spellings
	skip, transport := "", false
	for _, dir := range h.parents() {
		sub, base := h.subsystem(dir), path.Base(dir)
		if sub == "" || sub == skip {
			continue
		}
		skip = ""
		switch sub {
		case "scsi":
			if part := h.scsiPath(dir); part != nil {
				last, transport = append(last, part), true
			}
		case "nvme":
			last, transport = append(last, []string{"nvme-" + h.attr(h.dir+"/nsid")}), true
			skip = "nvme"
		case "nvme-subsystem":
			return nil
		case "usb":
			_, port, ok := strings.Cut(base, "-")
			if !ok {
				return nil
			}
			last, skip, transport = append(last, []string{"usb-0:" + port}), "usb", true
		case "virtio":
			transport = true
		case "mmc":
			transport = true
		case "pci", "platform", "acpi", "vmbus":
			last, skip = append(last, []string{sub + "-" + base}), sub
		}
	}
	if !transport || len(last) == 0 {
		return nil
	}
	names := []string{""}
	for i := len(last) - 1; i >= 0; i-- {
		var longer []string
		for _, n := range names {
			for _, part := range last[i] {
				longer = append(longer, strings.TrimPrefix(n+"-"+part, "-"))
			}
		}
		names = longer
	}
	if strings.HasPrefix(h.name, "vd") {
		names = append(names, "virtio-"+names[0])
	}
	return names
}

// scsiPath is the part of a SCSI device H:C:T:L. The number of the host counts from the first of its controller.
func (h *hardware) scsiPath(dir string) []string {
	words := strings.Split(path.Base(dir), ":")
	if len(words) != 4 {
		return nil
	}
	host := dir
	for ; !strings.HasPrefix(path.Base(host), "host"); host = path.Dir(host) {
		if host == "." {
			return nil
		}
	}
	if port := path.Dir(host); strings.HasPrefix(path.Base(port), "ata") {
		number := h.attr(port + "/ata_port/" + path.Base(port) + "/port_no")
		if number == "" {
			return nil
		}
		return []string{"ata-" + number, "ata-" + number + "." + words[2]}
	}
	first, _ := strconv.Atoi(words[0])
	own := first
	siblings, _ := fs.ReadDir(h.fsys, path.Dir(host))
	for _, s := range siblings {
		if n, err := strconv.Atoi(strings.TrimPrefix(s.Name(), "host")); err == nil && strings.HasPrefix(s.Name(), "host") {
			first = min(first, n)
		}
	}
	return []string{fmt.Sprintf("scsi-%d:%s:%s:%s", own-first, words[1], words[2], words[3])}
}

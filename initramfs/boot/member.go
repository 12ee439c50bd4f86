package boot

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// MemberError reports that the root is inside something that has to be opened first.
type MemberError struct {
	// Device is the lower half: encrypted, or a member of an array or a volume group.
	Device *Device
	// Hooks reports that the image has hooks, which have not opened it.
	Hooks bool
}

// opener says what a kind of content is, what hook opens it, and how the kernel's command line names it.
func (d *Device) opener() (what, hook, words string) {
	switch d.Type {
	case "crypto_LUKS":
		return "encrypted (LUKS)", "luks", fmt.Sprintf("rd.luks.uuid=%s, and root=/dev/mapper/luks-%[1]s or the "+
			"UUID= of what is inside", d.UUID)
	case "LVM2_member":
		return "a disk of a volume group (LVM)", "lvm", "root=/dev/GROUP/VOLUME or the UUID= of what is inside"
	}
	return "a disk of an array (RAID)", "", "root=/dev/mdN or the UUID= of what is inside"
}

// Error says what opens it.
func (e *MemberError) Error() string {
	what, hook, words := e.Device.opener()
	text := fmt.Sprintf("is on /dev/%s, which is %s, not a file system", e.Device.Node, what)
	switch {
	case e.Hooks:
		text += ": the hooks of this image have not opened it"
	case hook != "":
		text += fmt.Sprintf(": goinitramfs build --hook %s makes an image that opens it", hook)
	default:
		text += ": a hook with mdadm has to assemble it (see docs/initramfs.md)"
	}
	return text + "; the kernel's command line then says " + words
}

// hasHooks reports whether the image has programs that make a root.
func (b *Boot) hasHooks() bool {
	list, _ := b.hookList("before-mount")
	return len(list) > 0
}

// holds reports whether the root can only be inside of something, so that all devices have to be read to see of what.
func (b *Boot) holds(spec Spec) bool {
	if spec.Kind != Node || spec.Inside {
		return false
	}
	group, _, deep := strings.Cut(spec.Value, "/")
	return deep && group != "disk" && group != "block" || isArray(spec.Value)
}

// isArray reports whether a name is one of a RAID.
func isArray(node string) bool {
	n, ok := strings.CutPrefix(node, "md")
	return ok && n != "" && strings.Trim(n, "0123456789_dp/") == ""
}

// inside returns an error if the root is in what this device is the lower half of: its UUID is the root's, or there is
// nothing in this image that opens it, and the root's name is one of what is opened.
func (b *Boot) inside(spec Spec, d *Device) error {
	if !d.Member() || spec.Inside {
		return nil
	}
	spec.Inside = true
	if spec.Match(d) {
		return &MemberError{d, b.hasHooks()}
	}
	spec.Inside = false
	if !b.holds(spec) || b.hasHooks() || b.Config.Mapped {
		return nil
	}
	group, _, _ := strings.Cut(spec.Value, "/")
	var fits bool
	switch d.Type {
	case "linux_raid_member":
		fits = group == "md" || isArray(spec.Value)
	case "crypto_LUKS":
		fits = group == "mapper"
	case "LVM2_member":
		fits = group != "md" && !isArray(spec.Value)
	}
	if fits {
		return &MemberError{d, false}
	}
	return nil
}

// busy reports whether modules are being loaded while the time for the root is over. That puts the end off, but not
// for ever.
func (b *Boot) busy(took time.Duration) bool {
	return took < 2*b.Config.Wait && len(Loading(b.FS)) > 0
}

// Loading returns the modules whose initialization has not come to an end.
func Loading(fsys fs.FS) (names []string) {
	entries, _ := fs.ReadDir(fsys, "sys/module") // without it nothing is known
	for _, e := range entries {
		if state, err := word(fsys, "sys/module/"+e.Name()+"/initstate"); err == nil && state == "coming" {
			names = append(names, e.Name())
		}
	}
	return names
}

// HasDriver reports, for a modalias, whether every device that has it is bound to a driver, which may be a part of the
// kernel: no module is missing for it.
func HasDriver(fsys fs.FS) func(modalias string) bool {
	free, bound := make(map[string]bool), make(map[string]bool)
	buses, _ := fs.ReadDir(fsys, "sys/bus")
	for _, bus := range buses {
		dir := "sys/bus/" + bus.Name() + "/devices"
		devices, _ := fs.ReadDir(fsys, dir)
		for _, d := range devices {
			modalias, err := word(fsys, dir+"/"+d.Name()+"/modalias")
			if err != nil {
				continue
			}
			if _, err := fs.Stat(fsys, dir+"/"+d.Name()+"/driver"); err == nil {
				bound[modalias] = true
			} else {
				free[modalias] = true
			}
		}
	}
	return func(modalias string) bool { return bound[modalias] && !free[modalias] }
}

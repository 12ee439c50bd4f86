package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// Profile is what a machine needs modules for. It is made on the machine, and used there or elsewhere.
type Profile struct {
	// Aliases are the modaliases of the devices, and fs-TYPE for the file systems of the root and of /usr, sorted.
	Aliases []string
	// Modules are the names of the modules that were loaded, sorted.
	Modules []string
}

// ReadProfile describes the machine whose sysfs and procfs are in fsys. Suppliers of devices (of clocks, power and so
// on) need no care, as they are devices themselves. File systems do: what is part of this kernel may be a module in
// another.
func ReadProfile(fsys fs.FS) (*Profile, error) {
	p := new(Profile)
	for _, d := range coldplug.Scan(fsys) {
		p.Aliases = append(p.Aliases, d.Alias)
	}
	mounts, err := fs.ReadFile(fsys, "proc/self/mounts")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && (f[1] == "/" || f[1] == "/usr") {
			p.Aliases = append(p.Aliases, "fs-"+f[2])
		}
	}
	data, err := fs.ReadFile(fsys, "proc/modules")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		if name, _, ok := bytes.Cut(line, []byte(" ")); ok {
			p.Modules = append(p.Modules, string(name))
		}
	}
	p.sort()
	return p, nil
}

func (p *Profile) sort() {
	slices.Sort(p.Aliases)
	p.Aliases = slices.Compact(p.Aliases)
	slices.Sort(p.Modules)
	p.Modules = slices.Compact(p.Modules)
}

// ParseProfile reads what Profile.Bytes writes. Lines that are empty or begin with '#' do not count.
func ParseProfile(data []byte) (*Profile, error) {
	p := new(Profile)
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		word, value, _ := strings.Cut(line, " ")
		switch value = strings.TrimSpace(value); {
		case line == "" || line[0] == '#':
		case word == "alias" && value != "":
			p.Aliases = append(p.Aliases, value)
		case word == "module" && value != "":
			p.Modules = append(p.Modules, value)
		default:
			return nil, fmt.Errorf("line %d: %q is neither \"alias MODALIAS\" nor \"module NAME\"", n, line)
		}
	}
	p.sort()
	return p, nil
}

// Bytes is the profile as text: lines "alias MODALIAS" and "module NAME".
func (p *Profile) Bytes() []byte {
	var b bytes.Buffer
	for _, a := range p.Aliases {
		fmt.Fprintln(&b, "alias", a)
	}
	for _, m := range p.Modules {
		fmt.Fprintln(&b, "module", m)
	}
	return b.Bytes()
}

// Select adds what the machine needs to the options. Its modules are looked up by name, and those that the kernel of
// the image does not know are no error: names change between kernels, and what is a module here may be builtin there.
func (p *Profile) Select(o *Options) {
	o.Aliases = append(o.Aliases, p.Aliases...)
	o.Aliases = append(o.Aliases, p.Modules...)
}

// Universal returns the elements of Options.Add for an image that boots most machines: what disks, the controllers
// they are behind, file systems and keyboards need. Patterns that nothing matches in some kernel are no error in
// Options.Try.
func Universal() []string {
	return []string{
		"=drivers/ata", "=drivers/block", "=drivers/nvme", "=drivers/scsi", "=drivers/md", "=drivers/mmc",
		"=drivers/message", "=drivers/virtio", "=drivers/usb/host", "=drivers/usb/storage", "=drivers/hid",
		"=drivers/input/keyboard", "=drivers/input/serio", "=drivers/pci", "=drivers/firewire",
		"=drivers/memstick",
		"=drivers/phy", "=drivers/hv", "=drivers/xen", "=drivers/ufs", "=drivers/dax", "=drivers/nvdimm",
		"=fs", "=crypto", "=lib", "=arch",
	}
}

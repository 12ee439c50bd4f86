package policy

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// Host returns the requests of the machine whose files are p's: its devices, the file systems of fstab and of what is
// mounted, the modules of modules-load.d and the loaded ones. Loaded modules that others use, and that have no alias by
// which they could be asked for, are libraries.
func Host(p *modprobe.Prober) (requests, libraries []Request, err error) {
	fsys := p.Options().FS
	for _, d := range coldplug.Scan(fsys) {
		requests = append(requests, Request{Name: d.Alias, Why: "device " + deviceName(d.Path)})
	}
	for _, file := range []string{"etc/fstab", "proc/self/mounts"} {
		data, err := trusted.ReadFile(fsys, file, maxFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		requests = append(requests, mounts(string(data), file == "etc/fstab")...)
	}
	requests = append(requests, modulesLoad(fsys)...)
	loaded, err := p.Loaded()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without modules has no such file
		return nil, nil, err
	}
	asked := make(map[string]bool) // modules with an alias
	for a := range p.Aliases() {
		if !strings.HasPrefix(a.Pattern, "symbol:") {
			asked[a.Module] = true
		}
	}
	for _, m := range loaded {
		if len(m.Holders) > 0 && !asked[m.Name] {
			libraries = append(libraries, Request{Name: m.Name, Why: "loaded"})
			continue
		}
		requests = append(requests, Request{Name: m.Name, Why: "loaded"})
	}
	return requests, libraries, nil
}

// deviceName returns the name of a device by its folder: "pci 0000:00:19.0" for sys/bus/pci/devices/0000:00:19.0.
func deviceName(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) == 5 && parts[1] == "bus" {
		return parts[2] + " " + parts[4]
	}
	return strings.TrimPrefix(dir, "sys/")
}

// maxFile is how many bytes of a file are read.
const maxFile = 1 << 20

// mounts returns the requests for the file systems that a file in the form of fstab(5) has.
func mounts(text string, fstab bool) (list []Request) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0][0] == '#' {
			continue
		}
		why, options := "mounted", ""
		if fstab {
			why = "in fstab"
		}
		if len(f) > 3 {
			options = f[3]
		}
		for kind := range strings.SplitSeq(f[2], ",") { // "auto" and "swap" lead to no module
			kind, _, _ = strings.Cut(kind, ".") // fuse.sshfs
			list = append(list, Request{Name: "fs-" + kind, Why: "file system " + kind + " " + why})
			for _, table := range charsets(kind, options) {
				list = append(list, Request{Name: table, Why: "characters of file system " + kind})
			}
		}
		if slices.Contains(strings.Split(options, ","), "loop") || strings.HasPrefix(f[0], "/dev/loop") {
			list = append(list, Request{Name: "loop", Why: "loop device " + why})
		}
	}
	return list
}

// charsets returns the modules with the tables of characters that a file system asks for when it is mounted: those of
// its options, and those that it takes without.
func charsets(kind, options string) (list []string) {
	switch kind {
	case "vfat", "msdos", "fat":
		list = []string{"nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8"}
	case "iso9660", "udf", "hfs", "hfsplus", "ntfs3", "cifs", "exfat", "jfs":
		list = []string{"nls_utf8"}
	default:
		return nil
	}
	for o := range strings.SplitSeq(options, ",") {
		switch key, value, _ := strings.Cut(o, "="); {
		case value == "":
		case key == "codepage":
			list = append(list, "nls_cp"+strings.TrimPrefix(value, "cp"))
		case key == "iocharset", key == "nls":
			list = append(list, "nls_"+value)
		}
	}
	return list
}

// modulesLoad returns the modules of modules-load.d(5). A file hides those of the same name further down.
func modulesLoad(fsys fs.FS) (list []Request) {
	seen := make(map[string]bool)
	files := []string{"etc/modules"}
	for _, dir := range []string{"etc", "run", "usr/local/lib", "usr/lib", "lib"} {
		entries, _ := fs.ReadDir(fsys, dir+"/modules-load.d")
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") && !seen[e.Name()] {
				seen[e.Name()] = true
				files = append(files, dir+"/modules-load.d/"+e.Name())
			}
		}
	}
	for _, file := range files {
		data, err := trusted.ReadFile(fsys, file, maxFile)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if f := strings.Fields(line); len(f) > 0 && f[0][0] != '#' && f[0][0] != ';' {
				list = append(list, Request{Name: f[0], Why: "in /" + file})
			}
		}
	}
	return list
}

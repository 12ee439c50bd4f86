package initramfs

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// Firmware is a file that a module may ask the kernel for.
type Firmware struct {
	// Name as the module says it, relative to the firmware directories; it may be a pattern.
	Name string
	// Modules that say so, sorted.
	Modules []string
	// Files found for it: the file that the kernel would take for each name that matches, and the links on the way
	// there. Empty if there is none, which is common: modules list what some revision of the hardware may need.
	Files []string
	// Unreadable is a file that is there in a compression which the kernel cannot expand, if Files is empty.
	Unreadable string
	// Option is the option that the kernel would need for Unreadable.
	Option string
}

// firmwareDirs returns where the kernel looks, in its order. The parameter firmware_class.path of the kernel comes
// first if it is given.
func firmwareDirs(release, first string) []string {
	const lib = "lib/firmware"
	dirs := []string{lib + "/updates/" + release, lib + "/updates", lib + "/" + release, lib}
	if first = strings.Trim(path.Clean("/"+first), "/"); first != "" {
		dirs = append([]string{first}, dirs...)
	}
	return dirs
}

// firmwareFinder looks firmware up as the kernel does: a name in every directory, then in every directory the
// same with each suffix.
type firmwareFinder struct {
	fsys     fs.FS
	dirs     []string
	suffixes []string // "" first
	lists    map[string][]string
}

// newFirmwareFinder leaves out directories that are not there, which most are not.
func newFirmwareFinder(fsys fs.FS, dirs, suffixes []string) *firmwareFinder {
	f := &firmwareFinder{fsys: fsys, suffixes: append([]string{""}, suffixes...)}
	for _, d := range dirs {
		if info, err := fs.Stat(fsys, d); err == nil && info.IsDir() {
			f.dirs = append(f.dirs, d)
		}
	}
	return f
}

// find returns the files for a name or pattern as paths in fsys, before links are followed.
func (f *firmwareFinder) find(name string) []string {
	if !fs.ValidPath(name) || name == "." {
		return nil // "..", or a slash in front: the kernel would look, an image must not
	}
	if !strings.ContainsAny(name, "*?[") {
		return f.first(name)
	}
	names := make(map[string]bool)
	for _, dir := range f.dirs {
		for _, file := range f.list(dir, path.Dir(literal(name))) {
			for _, suffix := range f.suffixes {
				if plain, ok := strings.CutSuffix(file, suffix); ok && glob.Match(name, plain) {
					names[plain] = true
				}
			}
		}
	}
	var files []string
	for n := range names {
		files = append(files, f.first(n)...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// literal returns the part of a pattern before its first wildcard.
func literal(pattern string) string { return pattern[:strings.IndexAny(pattern, "*?[")] }

// first returns the file the kernel would take.
func (f *firmwareFinder) first(name string) []string {
	for _, suffix := range f.suffixes {
		for _, dir := range f.dirs {
			p := dir + "/" + name + suffix
			if info, err := fs.Stat(f.fsys, p); err == nil && info.Mode().IsRegular() {
				return []string{p}
			}
		}
	}
	return nil
}

// unreadable returns a file for a name that the kernel would read if it had been built with an option.
func (f *firmwareFinder) unreadable(name string) (file, option string) {
	other := firmwareFinder{fsys: f.fsys, dirs: f.dirs}
	for _, c := range firmwareCompressions {
		if slices.Contains(f.suffixes, c.suffix) {
			continue
		}
		other.suffixes = []string{c.suffix}
		if files := other.find(name); len(files) > 0 {
			return files[0], c.option
		}
	}
	return "", ""
}

// list returns the files below dir/sub, relative to dir.
func (f *firmwareFinder) list(dir, sub string) []string {
	top := path.Join(dir, sub)
	if l, ok := f.lists[top]; ok {
		return l
	}
	var l []string
	// What cannot be read is not there for the kernel either.
	fs.WalkDir(f.fsys, top, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			l = append(l, p[len(dir)+1:])
		}
		return nil
	})
	if f.lists == nil {
		f.lists = make(map[string][]string)
	}
	f.lists[top] = l
	return l
}

// copyThrough returns the entries for a file and for every link on the way to it, all below the root of fsys.
func copyThrough(fsys fs.FS, name string) ([]Entry, error) {
	var out []Entry
	done, err := followLinks(name, true, func(name string) (target string, ok bool, err error) {
		info, err := fs.Lstat(fsys, name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return "", false, err
		}
		if target, err = fs.ReadLink(fsys, name); err == nil {
			out = append(out, Link(name, target))
		}
		return target, true, err
	})
	if err == errLoop {
		err = &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if err != nil {
		return nil, err
	}
	e, err := Copy(done, 0o644, fsys, done)
	if err != nil {
		return nil, err
	}
	return append(out, e), nil
}

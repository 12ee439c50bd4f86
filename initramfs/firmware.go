package initramfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
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

// firmwareEntries returns the firmware files with the links that lead to them.
func (s *Selection) firmwareEntries() ([]Entry, error) {
	var out []Entry
	done := make(map[string]bool)
	for _, f := range s.Firmware {
		for _, file := range f.Files {
			entries, err := copyThrough(s.fsys, file)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if !done[e.Path] {
					done[e.Path] = true
					out = append(out, e)
				}
			}
		}
	}
	return out, nil
}

// findFirmware looks for the firmware that the selected modules name.
func (s *Selection) findFirmware(ctx context.Context) error {
	builtin, err := s.builtinFirmware()
	if err != nil {
		return err
	}
	by := make(map[string][]string) // name of the firmware → modules
	for _, m := range s.Modules {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		names := builtin[m.Name]
		if !m.Builtin {
			if names, err = s.moduleFirmware(m.Path); err != nil {
				return err
			}
		}
		for _, n := range names {
			if !slices.Contains(by[n], m.Name) {
				by[n] = append(by[n], m.Name)
			}
		}
	}
	suffixes := s.o.FirmwareSuffixes
	if suffixes == nil {
		suffixes = []string{".zst", ".xz"}
	}
	f := newFirmwareFinder(s.fsys, firmwareDirs(s.Release, s.o.FirmwarePath), suffixes)
	for name, modules := range by {
		slices.Sort(modules)
		firmware := Firmware{Name: name, Modules: modules, Files: f.find(name)}
		if len(firmware.Files) == 0 {
			firmware.Unreadable, firmware.Option = f.unreadable(name)
		}
		s.Firmware = append(s.Firmware, firmware)
	}
	sort.Slice(s.Firmware, func(i, j int) bool { return s.Firmware[i].Name < s.Firmware[j].Name })
	return nil
}

// moduleFirmware returns what a module file names. Of a plain file only the part that says so is read.
func (s *Selection) moduleFirmware(name string) ([]string, error) {
	var names []string
	err := s.moduleInfo(name, func(m *elf.File) error {
		info, err := m.Modinfo()
		for _, field := range info {
			if v, ok := strings.CutPrefix(field, "firmware="); ok {
				names = append(names, strings.Clone(v))
			}
		}
		return err
	})
	if errors.Is(err, elf.ErrNoSection) {
		return nil, nil
	} else if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path.Join(s.Dir, name), Err: err}
	}
	return names, nil
}

// moduleInfo calls do with the module file of a path as Module has it, of which do keeps nothing.
func (s *Selection) moduleInfo(name string, do func(*elf.File) error) error {
	if !strings.HasPrefix(name, "/") {
		name = path.Join(s.Dir, name)
	}
	name = strings.TrimPrefix(name, "/")
	f, err := s.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if r, ok := f.(io.ReaderAt); ok {
		var head [6]byte
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if _, err := r.ReadAt(head[:], 0); err == nil && compress.Detect(head[:]) == compress.None {
			m, err := elf.Open(r, info.Size())
			if err != nil {
				return err
			}
			return do(m)
		}
	}
	return compress.Use(f, 0, func(image []byte, _ compress.Format) error {
		m, err := elf.Parse(image)
		if err != nil {
			return err
		}
		return do(m)
	})
}

// builtinFirmware reads what the modules that are part of the kernel name.
func (s *Selection) builtinFirmware() (map[string][]string, error) {
	data, err := trusted.ReadFile(s.fsys, s.Dir+"/modules.builtin.modinfo", moduledir.MaxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	by := make(map[string][]string)
	for field := range bytes.SplitSeq(data, []byte{0}) {
		module, rest, ok := strings.Cut(string(field), ".")
		if v, is := strings.CutPrefix(rest, "firmware="); ok && is {
			by[module] = append(by[module], v)
		}
	}
	return by, nil
}

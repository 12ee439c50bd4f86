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
	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// ReasonsFile is the name, in the module folder of an image, of the file that keeps why each module is there.
const ReasonsFile = "modules.why"

// Entries returns what the image consists of: modules, tables, firmware, configuration and the device nodes that
// every image needs. The order does not matter to Write.
func (s *Selection) Entries() ([]Entry, error) {
	out := DeviceNodes()
	for _, m := range s.Modules {
		if m.Builtin {
			continue
		}
		from := m.Path
		if !strings.HasPrefix(from, "/") {
			from = s.Dir + "/" + from
		}
		from = strings.TrimPrefix(from, "/")
		e, err := Copy(from, 0o644, s.fsys, from)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	tables, err := newTrimmer(s.fsys, s.Dir, s.deps).tables(s.o.Tables)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		out = append(out, Content(s.Dir+"/"+t.name, 0o644, t.data))
	}
	if s.o.Tables != NoTables {
		out = append(out, Content(s.Dir+"/"+ReasonsFile, 0o644, s.reasons()))
	}
	firmware, err := s.firmwareEntries()
	if err != nil {
		return nil, err
	}
	out = append(out, firmware...)
	if s.o.Config {
		out = append(out, s.configEntries()...)
	}
	return out, nil
}

// configDirs are the folders of modprobe.d(5), the strongest first.
var configDirs = [...]string{
	"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d",
}

// configEntries returns the configuration files that count.
func (s *Selection) configEntries() []Entry {
	files, _ := confd.Files(s.fsys, configDirs[:])
	var out []Entry
	for _, f := range files {
		out = append(out, Content(strings.TrimPrefix(f.Path, "/"), 0o644, f.Data))
	}
	return out
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
	if !strings.HasPrefix(name, "/") {
		name = path.Join(s.Dir, name)
	}
	name = strings.TrimPrefix(name, "/")
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
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return names, nil
}

// moduleInfo calls do with a module file, of which do keeps nothing.
func (s *Selection) moduleInfo(name string, do func(*elf.File) error) error {
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

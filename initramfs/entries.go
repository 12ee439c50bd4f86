package initramfs

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/confd"
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

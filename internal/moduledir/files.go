package moduledir

import (
	"io/fs"
	"os"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Bounds of a search, since links may lead anywhere.
const (
	maxFolders = 1 << 15
	maxDepth   = 256
)

// IsModule reports whether a file of that name is a module.
func IsModule(name string) bool {
	name = Uncompressed(name)
	return len(name) > len(".ko") && strings.HasSuffix(name, ".ko")
}

// suffixes are those of compressed module files.
var suffixes = [...]string{".xz", ".zst", ".gz"}

// Uncompressed takes the suffix of a compression off the name of a file.
func Uncompressed(name string) string {
	for _, suffix := range suffixes {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return stem
		}
	}
	return name
}

// IsCompressed reports whether the name of a file says that it is compressed.
func IsCompressed(name string) bool { return Uncompressed(name) != name }

// Siblings returns the names that a module's file has with another compression, or with none.
func Siblings(name string) (list []string) {
	stem := Uncompressed(name)
	for _, suffix := range append([]string{""}, suffixes[:]...) {
		if stem+suffix != name {
			list = append(list, stem+suffix)
		}
	}
	return list
}

// search is a search for the modules of a tree.
type search struct {
	fsys    fs.FS
	config  *Config
	files   map[string]string
	folders int
	visit   func(name string)
}

// Files returns the file of each module of the tree, by its name: a path below the folder, or an absolute one for
// those of the configuration's external folders. It opens no file, enters links to folders, and of several files for
// one name takes the one that depmod would take. Folders that cannot be read are skipped. visit is called with the
// name of each folder before it is read, and of each link that leads nowhere: as long as these are the same, so is
// the result.
func Files(fsys fs.FS, dir Dir, config *Config, visit func(name string)) map[string]string {
	s := &search{fsys: fsys, config: config, files: make(map[string]string), visit: visit}
	s.folder(dir.Name, "", nil, false)
	for _, external := range config.Externals() {
		if name, err := sysroot.Name(fsys, external); err == nil {
			s.folder(name, external+"/", nil, false)
		}
	}
	return s.files
}

// folder adds the modules in a folder, a name in the file system; prefix is what their paths begin with. above are
// the folders that it is in, and linked is set if a link has led here, so that it may be one of them.
func (s *search) folder(name, prefix string, above []fs.FileInfo, linked bool) {
	if s.folders++; s.folders > maxFolders || len(above) > maxDepth {
		return
	}
	s.visit(name)
	entries, err := fs.ReadDir(s.fsys, name)
	if err != nil {
		return
	}
	var self fs.FileInfo
	for _, e := range entries {
		if s.config.Excludes(e.Name()) {
			continue
		}
		file, mode, below := name+"/"+e.Name(), e.Type(), linked
		if mode&fs.ModeSymlink != 0 {
			info, err := fs.Stat(s.fsys, file)
			if err != nil {
				s.visit(file)
				continue
			}
			mode, below = info.Mode().Type(), linked || info.IsDir()
		}
		switch {
		case mode.IsDir():
			if self == nil {
				if self, err = fs.Stat(s.fsys, name); err != nil {
					return
				}
			}
			if inside := append(above[:len(above):len(above)], self); !below || !s.loops(file, inside) {
				s.folder(file, prefix+e.Name()+"/", inside, below)
			}
		case mode.IsRegular() && IsModule(e.Name()):
			s.add(prefix + e.Name())
		}
	}
}

// loops reports whether a folder is one of those that it is in.
func (s *search) loops(name string, above []fs.FileInfo) bool {
	info, err := fs.Stat(s.fsys, name)
	for _, up := range above {
		if err != nil || os.SameFile(info, up) {
			return true
		}
	}
	return false
}

// add adds a file.
func (s *search) add(path string) {
	module := alias.FromPath(path)
	if old, ok := s.files[module]; !ok || s.config.Prefers(path, old) {
		s.files[module] = path
	}
}

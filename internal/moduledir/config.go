package moduledir

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/confd"
)

// ConfigDirs returns the folders of depmod.d(5), the strongest first.
func ConfigDirs() []string {
	return []string{"/etc/depmod.d", "/run/depmod.d", "/usr/local/lib/depmod.d", "/usr/lib/depmod.d",
		"/lib/depmod.d"}
}

// Config is the content of depmod.d(5): which of several modules of one name counts, and which folders have more.
type Config struct {
	search    []searchItem
	overrides []string // SUBDIR/MODULE, the file name up to the suffix
	externals []string // absolute paths
	excludes  map[string]bool
}

// searchItem is one item of the list that decides between modules of the same name.
type searchItem struct {
	kind searchKind
	dir  string // below the folder of the modules
}

// searchKind is what an item of the list matches.
type searchKind int

const (
	searchDir searchKind = iota
	searchBuiltin
	searchExternal
)

// DefaultConfig returns the configuration without any files: modules in the folder updates are preferred.
func DefaultConfig() *Config {
	return &Config{
		search:   []searchItem{{searchDir, "updates"}},
		excludes: map[string]bool{"build": true, "source": true},
	}
}

// LineProblem is a line of the configuration that is skipped, or has no effect.
type LineProblem struct {
	// Path and Line say where it is.
	Path string
	Line int
	// Text is the word that is not understood, or for a Note why the line has no effect.
	Text string
	// Note means that nothing is wrong with the line.
	Note bool
}

// ReadConfig reads the configuration for a release from folders and files, absolute paths in fsys. Mistakes
// in it are skipped and returned.
func ReadConfig(fsys fs.FS, places []string, release string) (*Config, []confd.Problem, []LineProblem) {
	c := DefaultConfig()
	c.search = nil
	files, problems := confd.Files(fsys, places)
	var bad []LineProblem
	for _, f := range files {
		for n, line := range confd.Lines(f.Data) {
			if p := c.add(line, release); p.Text != "" {
				p.Path, p.Line = f.Path, n
				bad = append(bad, p)
			}
		}
	}
	if len(c.search) == 0 {
		c.search = DefaultConfig().search
	}
	return c, problems, bad
}

// add adds one line. The result is the zero LineProblem if the line is fine.
func (c *Config) add(line, release string) LineProblem {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	switch word, args := words[0], words[1:]; {
	case word == "search":
		for _, arg := range args {
			item := searchItem{searchDir, arg}
			switch arg {
			case "built-in":
				item.kind = searchBuiltin
			case "external":
				item.kind = searchExternal
			}
			c.search = append(c.search, item)
		}
	case word == "override" && len(args) >= 3:
		if !matches(args[1], release) {
			return LineProblem{Note: true, Text: "override kernel did not match " + args[1]}
		}
		c.overrides = append(c.overrides, args[2]+"/"+args[0])
	case word == "external" && len(args) >= 2:
		if !matches(args[0], release) {
			return LineProblem{Note: true, Text: "external directory did not match " + args[0]}
		}
		c.externals = append(c.externals, args[1])
	case word == "exclude":
		for _, arg := range args {
			c.excludes[arg] = true
		}
	case word == "include" || word == "make_map_files":
		return LineProblem{Note: true, Text: "command " + word + " not implemented yet"}
	default:
		return LineProblem{Text: word}
	}
	return LineProblem{}
}

// Excludes reports whether files and folders of that name are not looked at.
func (c *Config) Excludes(name string) bool { return c.excludes[name] }

// Prefers reports whether the module in the file next, a path below the module directory or an absolute one outside,
// is to replace the one in old, which has the same name.
func (c *Config) Prefers(next, old string) bool {
	if len(c.overrides) > 0 {
		nextStem, oldStem := stem(next), stem(old)
		for i := len(c.overrides) - 1; i >= 0; i-- {
			switch c.overrides[i] {
			case nextStem:
				return true
			case oldStem:
				return false
			}
		}
	}
	newPriority, oldPriority, others := -1, -1, -1
	position := 0
	in := func(dir string) {
		if below(next, dir) {
			newPriority = position
		} else if below(old, dir) {
			oldPriority = position
		}
		position++
	}
	for i := len(c.search) - 1; i >= 0; i-- {
		switch item := c.search[i]; item.kind {
		case searchBuiltin:
			others = position
			position++
		case searchExternal:
			for _, dir := range c.Externals() {
				in(dir)
			}
		default:
			in(item.dir)
		}
	}
	if newPriority < 0 {
		newPriority = others
	}
	if oldPriority < 0 {
		oldPriority = others
	}
	return newPriority > oldPriority
}

// Externals returns the folders of modules outside the tree in the order in which they are searched: the last declared
// first.
func (c *Config) Externals() []string {
	list := slices.Clone(c.externals)
	slices.Reverse(list)
	return list
}

// stem returns the path of a module up to the end of its name, which ends at the first dot of the file's name.
func stem(path string) string {
	base := strings.LastIndexByte(path, '/') + 1
	if i := strings.IndexByte(path[base:], '.'); i >= 0 {
		return path[:base+i]
	}
	return path
}

// below reports whether a path begins with a folder.
func below(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

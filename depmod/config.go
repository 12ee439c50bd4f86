package depmod

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/confd"
)

// config is what depmod.d(5) says.
type config struct {
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

type searchKind int

const (
	searchDir searchKind = iota
	searchBuiltin
	searchExternal
)

// readConfig reads the configuration. Without a search line, the folder updates is preferred to all others.
func (b *builder) readConfig() {
	b.config.excludes = map[string]bool{"build": true, "source": true}
	if b.Files == nil {
		files, problems := confd.Files(b.FS, b.Config)
		for _, p := range problems {
			b.report(Problem{Kind: Config, Path: p.Path, Text: p.Text, Err: p.Err})
		}
		for _, f := range files {
			for n, line := range confd.Lines(f.Data) {
				if p := b.config.add(line, b.Release); p.Kind != 0 {
					p.Path, p.Line = f.Path, n
					b.report(p)
				}
			}
		}
	}
	if len(b.config.search) == 0 {
		b.config.search = []searchItem{{searchDir, "updates"}}
	}
}

// add takes in one line. The result is the zero Problem if the line is fine.
func (c *config) add(line, release string) Problem {
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
			return Problem{Kind: ConfigNote, Text: "override kernel did not match " + args[1]}
		}
		c.overrides = append(c.overrides, args[2]+"/"+args[0])
	case word == "external" && len(args) >= 2:
		if !matches(args[0], release) {
			return Problem{Kind: ConfigNote, Text: "external directory did not match " + args[0]}
		}
		c.externals = append(c.externals, args[1])
	case word == "exclude":
		for _, arg := range args {
			c.excludes[arg] = true
		}
	case word == "include" || word == "make_map_files":
		return Problem{Kind: ConfigNote, Text: "command " + word + " not implemented yet"}
	default:
		return Problem{Kind: ConfigLine, Text: word}
	}
	return Problem{}
}

// prefers reports whether the module next is to replace old, which has the same name.
func (c *config) prefers(next, old *module) bool {
	for i := len(c.overrides) - 1; i >= 0; i-- {
		switch c.overrides[i] {
		case next.stem():
			return true
		case old.stem():
			return false
		}
	}
	newPriority, oldPriority, others := -1, -1, -1
	position := 0
	in := func(dir string) {
		if below(next.path, dir) {
			newPriority = position
		} else if below(old.path, dir) {
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
			for _, dir := range c.externalsBackward() {
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

// externalsBackward returns the folders of modules outside the tree in the order in which they are searched: the last
// declared first.
func (c *config) externalsBackward() []string {
	list := make([]string, 0, len(c.externals))
	for i := len(c.externals) - 1; i >= 0; i-- {
		list = append(list, c.externals[i])
	}
	return list
}

// below reports whether a path begins with a folder.
func below(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

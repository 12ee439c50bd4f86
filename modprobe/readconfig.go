package modprobe

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// ConfigDirs returns the folders of modprobe.d(5), the strongest first.
func ConfigDirs() []string {
	return []string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
		"/lib/modprobe.d"}
}

// Config returns the configuration. It is shared: do not change it.
func (p *Prober) Config() *Config {
	t := p.tables.Load()
	t.configOnce.Do(func() {
		c := *p.base()
		p.addTail(&c)
		t.config = &c
	})
	return t.config
}

// base returns the configuration without modules.softdep and modules.weakdep, which most lookups do not need.
func (p *Prober) base() *Config {
	p.configOnce.Do(func() { p.config = p.readConfig() })
	return p.config
}

// readConfig reads the files and the kernel's command line.
func (p *Prober) readConfig() *Config {
	c := &Config{softdepAt: -1, weakdepAt: -1}
	if !p.opts.NoConfig {
		places := p.opts.Config
		if places == nil {
			places = ConfigDirs()
		}
		p.readFiles(c, places)
	}
	c.mark("")
	if f, err := p.fsys.Open(strings.TrimPrefix(cmdlineFile, "/")); err == nil {
		data := make([]byte, maxCmdline)
		n, _ := io.ReadFull(f, data)
		f.Close()
		c.parseCmdline(string(data[:n]), p.report)
	}
	return c
}

// readFiles adds the files of some folders. If the forbid and allow lines are those of others, they are read as well.
func (p *Prober) readFiles(c *Config, places []string) {
	files, problems := confd.Files(p.fsys, places)
	for _, problem := range problems {
		p.reportProblem(problem)
	}
	parse := func(c *Config, file confd.File, report func(error)) {
		c.parse(file, sync.OnceValue(func() bool { return p.trusts(file) }), report)
	}
	for _, file := range files {
		c.mark(file.Name)
		parse(c, file, p.report)
	}
	if p.opts.Policy == nil {
		return
	}
	policy := new(Config)
	files, _ = confd.Files(p.fsys, p.opts.Policy)
	for _, file := range files {
		parse(policy, file, func(err error) {
			var e *ConfigError
			if errors.As(err, &e) && (e.Text == "allow" || e.Text == "forbid") {
				p.report(err)
			}
		})
	}
	c.Forbid, c.Allow = policy.Forbid, policy.Allow
}

// Ignored returns the lines about a module in those files of modprobe.d that are not read because of their names. Names
// that editors and package managers give to copies do not count.
func (p *Prober) Ignored(module string) (lines []*ConfigError) {
	if p.opts.NoConfig || p.opts.Config != nil {
		return nil
	}
	for _, file := range confd.Unread(p.fsys, ConfigDirs()) {
		for number, line := range confd.Lines(file.Data) {
			word, rest := confd.Word(line)
			name, _ := confd.Word(rest)
			var c Config
			if name, err := alias.Normalize(name); err == nil && name == module &&
				c.directive(word, rest, file.Path, number) == nil {
				lines = append(lines, &ConfigError{File: file.Path, Line: number, Text: word,
					Err: ErrNotRead})
			}
		}
	}
	return lines
}

// trusts reports whether the commands in a file may be run, which is done as root: nobody but root could write the file
// that was read, or have another file read in its place.
func (p *Prober) trusts(file confd.File) bool {
	return trusted.Owned(p.fsys, strings.TrimPrefix(file.Path, "/"), file.Info) == nil
}

// reportProblem reports a file that is not read. A file that cannot be opened is skipped silently, as by kmod.
func (p *Prober) reportProblem(problem confd.Problem) {
	var e *fs.PathError
	if errors.As(problem.Err, &e) && e.Op != "stat" {
		return
	}
	p.report(&ConfigError{File: problem.Path, Line: problem.Line, Err: problem.Err})
}

// mark records where the entries of modules.softdep and modules.weakdep belong: their files are sorted among the
// others by name. An empty name is the end.
func (c *Config) mark(next string) {
	if c.softdepAt < 0 && (next == "" || next > "modules.softdep") {
		c.softdepAt = len(c.Softdeps)
	}
	if c.weakdepAt < 0 && (next == "" || next > "modules.weakdep") {
		c.weakdepAt = len(c.Weakdeps)
	}
}

// addTail adds the module directory's own modules.softdep and modules.weakdep. Only directives of these
// kinds are taken from there: others could not be put in their order.
func (p *Prober) addTail(c *Config) {
	var extra Config
	for _, name := range []string{"modules.softdep", "modules.weakdep"} {
		data, err := p.readText(name, confd.MaxSize)
		if err == nil && len(data) == 0 && name == "modules.softdep" {
			p.tables.Load().noSoftdep = true // depmod writes a comment at least
		}
		if err == nil {
			extra.parse(confd.File{Name: name, Path: p.path(name), Data: data},
				func() bool { return false }, p.report)
		}
	}
	soft, weak := c.Softdeps[c.softdepAt:], c.Weakdeps[c.weakdepAt:]
	c.Softdeps = append(append(c.Softdeps[:c.softdepAt:c.softdepAt], extra.Softdeps...), soft...)
	c.Weakdeps = append(append(c.Weakdeps[:c.weakdepAt:c.weakdepAt], extra.Weakdeps...), weak...)
}

// softdep returns the softdep directives for a module: those of the configuration, or where modules.softdep is not
// usable what the module says itself.
func (p *Prober) softdep(module string) Softdep {
	c := p.Config()
	_, noTables := p.dep().(*tree)
	if !noTables && !p.tables.Load().noSoftdep {
		return c.softdep(module)
	}
	if t := p.tree(); t.has(module) {
		own := Config{Softdeps: slices.Clone(c.Softdeps)}
		t.softdeps(&own, module)
		return own.softdep(module)
	}
	return c.softdep(module)
}

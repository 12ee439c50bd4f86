package modprobe

import (
	"bytes"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// Config is what modprobe.d(5), the module directory and the kernel's command line say about modules, in the order
// in which it is found: files sorted by base name, lines from top to bottom, the command line last.
//
// Names are spelled with underscores. A pattern is matched against the name of a module as by fnmatch(3).
type Config struct {
	// Blacklist holds the names of modules that are not loaded by an alias.
	Blacklist []string
	// Install and Remove hold the shell commands that are run instead of inserting or removing a module.
	Install, Remove []Command
	// Aliases holds alias patterns and the modules they stand for.
	Aliases []Alias
	// Options holds parameters for modules.
	Options []Setting
	// Softdeps holds the modules to be loaded before and after another one.
	Softdeps []Softdep
	// Weakdeps holds modules that another one may use, for those who build an initramfs.
	Weakdeps []Weakdep
	// Forbid and Allow hold the modules that must not and the ones that may be loaded; see [Prober.Permit].
	Forbid, Allow []Rule

	softdepAt, weakdepAt int // where the entries of the module directory's own files belong
}

// Alias is an alias directive.
type Alias struct {
	// Pattern is what names are matched against.
	Pattern string
	// Module is the name of the module it stands for.
	Module string
}

// Command is an install or remove directive.
type Command struct {
	// Pattern says for which modules.
	Pattern string
	// Text is the command, for /bin/sh.
	Text string
}

// Setting is an options directive, or MODULE.PARAMETER=VALUE on the kernel's command line.
type Setting struct {
	// Module is the name of the module, or an alias of it.
	Module string
	// Text holds the parameters, as the kernel gets them.
	Text string
	// File is the absolute path of the file that has the directive.
	File string
	// Line is the number of the line in File, from 1; 0 on the kernel's command line.
	Line int
}

// Softdep is a softdep directive.
type Softdep struct {
	// Pattern says for which modules.
	Pattern string
	// Pre and Post are the names or aliases of the modules to load before and after.
	Pre, Post []string
}

// Weakdep is a weakdep directive.
type Weakdep struct {
	// Pattern says for which modules.
	Pattern string
	// Modules are names or aliases.
	Modules []string
}

// Rule is a forbid or allow directive.
type Rule struct {
	// Pattern says for which modules.
	Pattern string
	// Reason is the rest of the line, for people.
	Reason string
	// File is the absolute path of the file that has the directive.
	File string
	// Line is the number of the line in File, from 1; 0 on the kernel's command line.
	Line int
}

// Blacklisted reports whether a blacklist directive names the module.
func (c *Config) Blacklisted(module string) bool {
	for _, name := range c.Blacklist {
		if name == module {
			return true
		}
	}
	return false
}

// settings returns the parameters that the configuration has for a module found by this alias.
func (c *Config) settings(module, alias string) string {
	var text []string
	for _, s := range c.Settings(Module{Name: module, Alias: alias}) {
		text = append(text, s.Text)
	}
	return strings.Join(text, " ")
}

// Settings returns the options directives that count for a module.
func (c *Config) Settings(m Module) (list []Setting) {
	for _, s := range c.Options {
		if s.Module == m.Name || m.Alias != "" && s.Module == m.Alias {
			list = append(list, s)
		}
	}
	return list
}

// softdep returns what all softdep directives for a module say together.
func (c *Config) softdep(module string) (all Softdep) {
	for _, s := range c.Softdeps {
		if glob.Match(s.Pattern, module) {
			all.Pre, all.Post = append(all.Pre, s.Pre...), append(all.Post, s.Post...)
		}
	}
	return all
}

// command returns the first of the commands for a module.
func command(commands []Command, module string) string {
	for _, c := range commands {
		if glob.Match(c.Pattern, module) {
			return c.Text
		}
	}
	return ""
}

// marker begins a comment that holds a directive kmod does not know.
const marker = "# gomodprobe: "

// parse adds the lines of one file. safe is asked, if there are any, whether install and remove commands, which are run
// as root, and allow lines, which open what others forbid, count.
func (c *Config) parse(file confd.File, safe func() bool, report func(error)) {
	if bytes.Contains(file.Data, []byte(marker)) {
		c.parseMarked(file, safe, report)
	}
	for number, line := range confd.Lines(file.Data) {
		word, rest := confd.Word(line)
		var err error = ErrUntrusted
		if !sensitive(word) || safe() {
			err = c.directive(word, rest, file.Path, number)
		}
		if err != nil {
			report(&ConfigError{File: file.Path, Line: number, Text: word, Err: err})
		}
	}
}

// sensitive reports whether a line counts only if nobody but root and the caller can have written it.
func sensitive(word string) bool { return word == "install" || word == "remove" || word == "allow" }

// parseMarked adds the directives in comments that begin with marker. Such lines have no continuation.
func (c *Config) parseMarked(file confd.File, safe func() bool, report func(error)) {
	number := 0
	for line := range bytes.Lines(file.Data) {
		number++
		text, ok := bytes.CutPrefix(line, []byte(marker))
		if !ok {
			continue
		}
		word, rest := confd.Word(strings.TrimRight(string(text), "\r\n"))
		err := error(ErrDirective)
		switch {
		case word == "allow" && !safe():
			err = ErrUntrusted
		case word == "forbid" || word == "allow":
			err = c.directive(word, rest, file.Path, number)
		}
		if err != nil {
			report(&ConfigError{File: file.Path, Line: number, Text: word, Err: err})
		}
	}
}

// directive adds one line.
func (c *Config) directive(word, rest, file string, number int) error {
	name, text := confd.Word(rest)
	switch word {
	case "include", "config":
		return ErrDeprecated
	case "alias", "blacklist", "options", "install", "remove", "softdep", "weakdep", "forbid", "allow":
	default:
		return ErrDirective
	}
	name, err := alias.Normalize(name)
	if err != nil || name == "" {
		return ErrDirective
	}
	switch word {
	case "blacklist":
		c.Blacklist = append(c.Blacklist, name)
		return nil
	case "forbid":
		c.Forbid = append(c.Forbid, Rule{name, strings.Trim(text, " \t"), file, number})
		return nil
	case "allow":
		c.Allow = append(c.Allow, Rule{name, strings.Trim(text, " \t"), file, number})
		return nil
	}
	if text == "" { // the others want more; a second blank is enough for kmod
		return ErrDirective
	}
	switch word {
	case "alias":
		target, _ := confd.Word(text)
		target, err := alias.Normalize(target)
		if err != nil || target == "" {
			return ErrDirective
		}
		c.Aliases = append(c.Aliases, Alias{name, target})
	case "options":
		c.Options = append(c.Options, Setting{name, strings.ReplaceAll(text, "\t", " "), file, number})
	case "install":
		c.Install = append(c.Install, Command{name, text})
	case "remove":
		c.Remove = append(c.Remove, Command{name, text})
	case "softdep":
		c.Softdeps = append(c.Softdeps, parseSoftdep(name, text))
	case "weakdep":
		c.Weakdeps = append(c.Weakdeps, Weakdep{name, strings.Fields(text)})
	}
	return nil
}

// parseSoftdep reads "pre: a b post: c". Words before the first "pre:" or "post:" mean nothing.
func parseSoftdep(name, text string) Softdep {
	s := Softdep{Pattern: name}
	var list *[]string
	for _, word := range strings.Fields(text) {
		switch {
		case word == "pre:":
			list = &s.Pre
		case word == "post:":
			list = &s.Post
		case list != nil:
			*list = append(*list, word)
		}
	}
	return s
}

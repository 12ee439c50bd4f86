package modprobe

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
)

// maxCmdline is how much of the kernel's command line is read; no kernel keeps more than this.
const maxCmdline = 64 << 10

// parseCmdline adds what the kernel's command line says about modules: MODULE.PARAMETER[=VALUE],
// modprobe.blacklist=A,B and, our own, modprobe.forbid=A,B and modprobe.allow=A,B.
func (c *Config) parseCmdline(line string, report func(error)) {
	for line != "" {
		var word string
		var ok bool
		word, line, ok = cmdlineWord(line)
		if !ok {
			continue
		}
		name, value, hasValue := strings.Cut(word, "=")
		module, param, ok := strings.Cut(name, ".")
		if !ok || strings.Contains(param, ".") {
			continue
		}
		if module == "modprobe" && hasValue && c.cmdlineList(param, value) {
			continue
		}
		module, err := alias.Normalize(module)
		if err != nil {
			report(&ConfigError{File: cmdlineFile, Text: name[:strings.IndexByte(name, '.')],
				Err: ErrDirective})
			continue
		}
		if hasValue {
			param += "=" + value
		}
		c.Options = append(c.Options, Setting{module, param, cmdlineFile, 0})
	}
}

// cmdlineList adds modprobe.KEY=A,B and reports whether the key is one of ours. Unlike kmod, which compares them as
// they are, it spells the names with underscores, and takes quotes off.
func (c *Config) cmdlineList(key, value string) bool {
	switch key {
	case "blacklist", "forbid", "allow":
	default:
		return false
	}
	for name := range strings.SplitSeq(strings.Trim(value, `"`), ",") {
		if n, err := alias.Normalize(name); err == nil {
			name = n
		}
		rule := Rule{Pattern: name, Reason: "by modprobe." + key + "=", File: cmdlineFile}
		switch {
		case key == "blacklist":
			c.Blacklist = append(c.Blacklist, name)
		case name == "":
		case key == "forbid":
			c.Forbid = append(c.Forbid, rule)
		default:
			c.Allow = append(c.Allow, rule)
		}
	}
	return true
}

// cmdlineFile is the file the kernel's command line is read from.
const cmdlineFile = "/proc/cmdline"

// cmdlineWord cuts the next word off. Quotes keep blanks in a value, and stay in it; a word that is quoted as a
// whole gets its quotes moved to the value. ok is false for a word that cannot be a parameter of a module.
func cmdlineWord(line string) (word, rest string, ok bool) {
	line = strings.TrimLeft(line, cmdlineBlanks)
	if line == "" {
		return "", "", false
	}
	whole := line[0] == '"'
	if whole {
		line = line[1:]
	}
	quoted, equals, bad := whole, -1, false
	i := 0
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
			bad = bad || equals < 0
		case quoted:
			if c == '=' && equals < 0 {
				equals = i
			}
		case strings.IndexByte(cmdlineBlanks, c) >= 0:
			return finishWord(line[:i], whole, equals, bad), line[i:], !bad
		case c == '=' && equals < 0:
			equals = i
		}
	}
	if quoted { // the quote is never closed
		return "", "", false
	}
	return finishWord(line, whole, equals, bad), "", !bad
}

const cmdlineBlanks = " \n\t\v\f\r"

// finishWord moves the quotes of `"mod.p=a b"`, of which the first is gone already, to the value.
func finishWord(word string, whole bool, equals int, bad bool) string {
	if !whole || bad || equals < 0 {
		return word
	}
	return word[:equals+1] + `"` + word[equals+1:]
}

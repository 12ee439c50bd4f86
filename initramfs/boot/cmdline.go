package boot

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config is what the kernel's command line says about the root file system and the first program on it. The words are
// those that the kernel itself and other programs for boot images understand; docs/initramfs.md lists them.
type Config struct {
	// Root is the value of root=, as it was typed; empty if there is none.
	Root string
	// Types are the file systems of rootfstype= to try, in order; empty: what the device is found to hold.
	Types []string
	// Flags are the mount options of rootflags=.
	Flags string
	// ReadWrite is whether the last of ro and rw is rw.
	ReadWrite bool
	// Delay is rootdelay=: so long after the beginning the root is mounted at the earliest.
	Delay time.Duration
	// Wait is how long the root may take to appear: DefaultWait, or what rootwait=SECONDS says. 0: for ever, which
	// is rootwait.
	Wait time.Duration
	// Init is the value of init=.
	Init string
	// Quiet is whether quiet is there.
	Quiet bool
	// Panic is what panic= says: reboot so many seconds after a failure, at once if it is negative. 0: never.
	Panic int
	// Mapped is whether dm-mod.create= is there: the kernel itself makes devices of the device mapper.
	Mapped bool
	// NoShell is whether rd.shell=0 is there: no shell after a failure.
	NoShell bool
}

// DefaultWait is how long the root may take to appear if the command line does not say.
const DefaultWait = 90 * time.Second

// ParseCmdline reads the kernel's command line. What follows "--" is for the first program. A word with a value that is
// not right counts as if it was not there; bad says so.
func ParseCmdline(line string) (c Config, bad []error) {
	c.Wait = DefaultWait
	seconds := func(key, value string, to *time.Duration) {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s=%s on the kernel's command line is not a number of seconds",
				key, value))
			return
		}
		*to = time.Duration(n) * time.Second
	}
	for _, word := range words(line) {
		if word == "--" {
			break
		}
		key, value, has := strings.Cut(word, "=")
		switch key {
		case "root":
			c.Root = value
		case "rootfstype":
			c.Types = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		case "rootflags":
			c.Flags = value
		case "ro":
			c.ReadWrite = false
		case "rw":
			c.ReadWrite = true
		case "rootdelay":
			seconds(key, value, &c.Delay)
		case "rootwait":
			if c.Wait = 0; has {
				seconds(key, value, &c.Wait)
			}
		case "init":
			c.Init = value
		case "quiet":
			c.Quiet = true
		case "panic":
			n, err := strconv.Atoi(value)
			if err != nil {
				bad = append(bad, fmt.Errorf("panic=%s on the kernel's command line is not a number "+
					"of seconds", value))
				break
			}
			c.Panic = n
		case "dm-mod.create":
			c.Mapped = true
		case "rd.shell":
			c.NoShell = value == "0" || value == "no"
		}
	}
	return c, bad
}

// words cuts a line at blanks that are not between double quotes, and takes the quotes off.
func words(line string) (list []string) {
	var word []byte
	quoted, begun := false, false
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			quoted, begun = !quoted, true
		case !quoted && (c == ' ' || '\t' <= c && c <= '\r'):
			if begun {
				list = append(list, string(word))
			}
			word, begun = word[:0], false
		default:
			word, begun = append(word, c), true
		}
	}
	if begun {
		list = append(list, string(word))
	}
	return list
}

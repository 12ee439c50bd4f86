// Package alias knows the names kernel modules go by: how a name is spelled, how a file name becomes one, how a
// modalias finds its modules, and which modaliases the devices of a machine have.
//
// A module may be asked for as "snd-hda-intel" or "snd_hda_intel"; in the kernel it is always the latter. A device says
// who it is with a modalias such as "pci:v00008086d00001533sv…"; modules list patterns with wildcards for the
// devices they drive, and modules.alias (see modules.dep(5), depmod(8)) joins the two.
package alias

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// MaxLen is the length in bytes from which on a name is not valid any more, as in kmod.
const MaxLen = 4096

// NameError says why a text cannot be the name of a module or an alias.
type NameError struct {
	// Name is the text as it was given.
	Name string
	// Off is the offset in Name at which it goes wrong.
	Off int
	// What says what is wrong there.
	What string
}

// Error implements error.
func (e *NameError) Error() string {
	name := e.Name
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return fmt.Sprintf("%q: %s at offset %d", name, e.What, e.Off)
}

// Normalize returns the name or alias pattern in the spelling in which names are compared: every dash becomes an
// underscore, except inside brackets, where it means a range ("foo-bar[a-c]-x" becomes "foo_bar[a-c]_x"). The error
// is a *NameError: a bracket without its partner, or a name of MaxLen bytes or more.
func Normalize(name string) (string, error) {
	if len(name) >= MaxLen {
		return "", &NameError{name, MaxLen, "name too long"}
	}
	var out []byte // nil as long as nothing differs
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '-':
			if out == nil {
				out = []byte(name)
			}
			out[i] = '_'
		case ']':
			return "", &NameError{name, i, "']' without '['"}
		case '[':
			n := strings.IndexByte(name[i:], ']')
			if n < 0 {
				return "", &NameError{name, i, "'[' without ']'"}
			}
			i += n
		}
	}
	if out == nil {
		return name, nil
	}
	return string(out), nil
}

// ModName returns the name of the module that a base name of a file, or a part of one, stands for: it ends at the
// first dot, and dashes are underscores. ModName("snd-hda-intel.ko.xz") is "snd_hda_intel".
func ModName(s string) string {
	if i := strings.IndexByte(s, '.'); i >= 0 {
		s = s[:i]
	}
	return strings.ReplaceAll(s, "-", "_")
}

// FromPath returns the name of the module in the file of that name: ModName of the last part of the path. Nothing is
// opened.
func FromPath(path string) string {
	return ModName(path[strings.LastIndexByte(path, '/')+1:])
}

// Match reports whether the alias s, plain text, matches pattern: fnmatch(3) without flags, byte by byte. Unlike
// path.Match it lets '*' and '?' match a slash, and no pattern is an error. Both should be in the spelling of
// Normalize.
func Match(pattern, s string) bool { return glob.Match(pattern, s) }

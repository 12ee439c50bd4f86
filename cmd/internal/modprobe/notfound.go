package modprobe

import (
	"errors"
	"iter"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/near"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// hintNotFound says what may be meant by a name that was not found.
func (r *modprobeRun) hintNotFound(operand string, err error) {
	switch {
	case r.Level < cli.LevelError:
	case errors.Is(err, modprobe.ErrNoTables):
		r.Hintf("%s", cli.NoTree(r.p, r.root))
	case strings.Contains(operand, ":"): // a device's alias
	case isFileName(operand):
		r.hintFile(operand)
	default:
		if hint := cli.Unlisted(r.p, operand); hint != "" {
			r.Hintf("%s", hint)
			return
		}
		if words := near.Words(operand, r.names()); len(words) > 0 {
			r.Hintf("is %s meant?", strings.Join(words, " or "))
		}
	}
}

// isFileName reports whether an operand looks like the name of a module's file.
func isFileName(operand string) bool {
	for _, end := range []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"} {
		if strings.HasSuffix(operand, end) {
			return true
		}
	}
	return strings.Contains(operand, "/")
}

// hintFile explains that the name of a module is wanted, and not that of a file.
func (r *modprobeRun) hintFile(operand string) {
	base, _, _ := strings.Cut(path.Base(operand), ".ko")
	text := "a module's name has no folder and no .ko"
	if _, ok := r.p.Module(alias.ModName(base)); ok {
		text += ": modprobe " + base
	}
	if _, ok := r.file(operand); ok && !r.remove {
		text += "; a file is named by a path that begins with / or ./: modprobe ./" + operand
	}
	r.Hintf("%s", text)
}

// names yields the names of all modules of the tree, and the plain aliases of the configuration.
func (r *modprobeRun) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for file := range r.p.Files() {
			if !yield(alias.FromPath(file)) {
				return
			}
		}
		for _, a := range r.p.Config().Aliases {
			if !strings.ContainsAny(a.Pattern, "*?[:") && !yield(a.Pattern) {
				return
			}
		}
	}
}

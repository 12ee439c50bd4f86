//go:build !kmod_boot

package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
)

// hookDirs are where --hook looks for a folder of that name.
var hookDirs = [...]string{
	"/etc/gomodprobe/hooks", "/usr/local/share/gomodprobe/hooks", "/usr/share/gomodprobe/hooks",
}

// hookList is the file in the folder of a hook that says what the hook needs.
const hookList = "list"

// hook is a folder with a list of what goes into an image. A line of the list is one of
//
//	program NAME     a program, with its libraries; a path or a name that is looked for
//	module WHAT      as --add
//	file PATH        a file or folder, under the same path
//	script PATH      a file of the hook's folder, as /etc/gomodprobe/PATH
//
// With "?" behind the first word it may be missing.
type hook struct {
	name  string
	from  *initramfs.System
	dir   string // in from
	lines []hookLine
}

// hookLine is a line of a hook's list.
type hookLine struct {
	number    int
	what, arg string
	optional  bool
}

// readHooks reads the lists of --hook, and adds their modules to those that are asked for.
func (b *builder) readHooks(env *cli.Env, fsys fs.FS) ([]*hook, error) {
	var hooks []*hook
	for _, name := range b.hooks {
		h, list, err := b.findHook(env, fsys, name)
		if err != nil {
			return nil, fmt.Errorf("--hook=%s: %w", name, err)
		}
		if h.lines, err = parseHook(list); err != nil {
			return nil, fmt.Errorf("/%s/%s:%w", h.dir, hookList, err)
		}
		for _, l := range h.lines {
			switch {
			case l.what != "module":
			case l.optional:
				b.o.Try = append(b.o.Try, l.arg)
			default:
				b.o.Add = append(b.o.Add, l.arg)
			}
		}
		hooks = append(hooks, h)
	}
	return hooks, nil
}

// findHook looks for a hook, below --root first, and returns its list as well. A name with a slash is a folder of this
// machine.
func (b *builder) findHook(env *cli.Env, fsys fs.FS, name string) (*hook, []byte, error) {
	dirs := hookDirs[:]
	places := []fs.FS{fsys, env.FS}
	if strings.Contains(name, "/") {
		abs, err := cli.Absolute(env, name)
		if err != nil {
			return nil, nil, err
		}
		dirs, places, name = []string{path.Dir(path.Clean(abs))}, []fs.FS{env.FS}, path.Base(abs)
	}
	for _, place := range places {
		for _, dir := range dirs {
			in := strings.TrimPrefix(path.Join(dir, name), "/")
			list, err := fs.ReadFile(place, in+"/"+hookList)
			if err == nil {
				return &hook{name: name, from: initramfs.NewSystem(place), dir: in}, list, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, nil, err
			}
		}
	}
	return nil, nil, fmt.Errorf("no folder %s with a file %q in %s", name, hookList, strings.Join(dirs, ", "))
}

// parseHook reads a list. Errors begin with the number of the line.
func parseHook(list []byte) (lines []hookLine, err error) {
	number := 0
	for text := range strings.Lines(string(list)) {
		number++
		text, _, _ = strings.Cut(text, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		what, optional := strings.CutSuffix(words[0], "?")
		switch what {
		case "program", "module", "file", "script":
		default:
			return nil, fmt.Errorf("%d: %q is none of program, module, file and script", number, words[0])
		}
		if len(words) == 1 {
			return nil, fmt.Errorf("%d: %s names nothing", number, what)
		}
		for _, w := range words[1:] {
			lines = append(lines, hookLine{number, what, w, optional})
		}
	}
	return lines, nil
}

// add puts what the hook names into the image; programs are those of the system that the image is for.
func (h *hook) add(files *initramfs.Files, system *initramfs.System) error {
	for _, l := range h.lines {
		var err error
		switch l.what {
		case "program":
			err = files.AddProgram(system, l.arg)
		case "file":
			err = files.AddPath(system, l.arg)
		case "script":
			in := path.Clean("/" + l.arg)
			err = files.AddScript(h.from, h.dir+in, strings.TrimPrefix(boot.Hooks, "/")+in, system)
		}
		if l.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("the hook %s, line %d of its list: %w", h.name, l.number, err)
		}
	}
	return nil
}

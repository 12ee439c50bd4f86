//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs"
)

// initramfsDiff runs goinitramfs diff.
func initramfsDiff(env *cli.Env, log *cli.Logger, args []string) int {
	list, ok := operands(env, log, "diff IMAGE IMAGE", nil, args, 2, 2, nil)
	if !ok {
		return 2
	}
	var sides [2]map[string]string
	for i, name := range list {
		var err error
		if sides[i], err = contents(env, name); err != nil {
			log.Errorf("%v", err)
			return 2
		}
	}
	var names []string
	for i, side := range sides {
		for n, was := range side {
			if other, both := sides[1-i][n]; !both || i == 0 && was != other {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	for _, n := range names {
		_, in0 := sides[0][n]
		_, in1 := sides[1][n]
		sign := "!"
		if !in1 {
			sign = "-"
		} else if !in0 {
			sign = "+"
		}
		fmt.Fprintf(env.Stdout, "%s %s\n", sign, printable(n))
	}
	return min(len(names), 1)
}

// contents describes every file of an image.
func contents(env *cli.Env, name string) (map[string]string, error) {
	all := make(map[string]string)
	err := eachFile(env, name, func(f *initramfs.File, content io.Reader) error {
		h := fnv.New128a()
		if f.Mode.IsRegular() {
			if _, err := io.Copy(h, content); err != nil {
				return err
			}
		}
		all[f.Path] = fmt.Sprintf("%v %d:%d %d,%d %s %x", f.Mode, f.UID, f.GID, f.Major, f.Minor, f.Target,
			h.Sum(nil))
		return nil
	})
	return all, err
}

// initramfsCheck runs goinitramfs check: it selects again and compares.
func initramfsCheck(env *cli.Env, log *cli.Logger, args []string) int {
	b, list, ok := parseBuilder(env, log, args)
	if ok && len(list) != 1 {
		log.Errorf("usage: %s check [build options] IMAGE", log.Prog)
		ok = false
	}
	if !ok {
		return 2
	}
	same, err := b.check(env, log, list[0])
	if err != nil {
		log.Errorf("%v", err)
		return 2
	}
	if !same {
		return 1
	}
	return 0
}

// check compares the modules of an image, by name and content, with those that a new one would have. Without options
// that select, what the image was made for counts.
func (b *builder) check(env *cli.Env, log *cli.Logger, image string) (same bool, err error) {
	fsys, err := b.fs(env)
	if err != nil {
		return false, err
	}
	if !b.host && !b.universal && b.profile == "" && len(b.o.Add) == 0 {
		in, err := openImage(env, image)
		if err != nil {
			return false, err
		}
		defer in.Close()
		reasons, err := initramfs.ImageReasons(in)
		if err != nil {
			return false, fmt.Errorf("%s: %w", image, err)
		}
		b.o.Try, b.o.Aliases = initramfs.Requests(reasons)
	}
	sel, err := b.choose(env, log, fsys)
	if err != nil {
		return false, err
	}
	have := make(map[string][]byte)
	err = eachFile(env, image, func(f *initramfs.File, content io.Reader) error {
		if f.Mode.IsRegular() && strings.Contains(path.Base(f.Path), ".ko") {
			h := fnv.New128a()
			if _, err := io.Copy(h, content); err != nil {
				return err
			}
			have[merged(f.Path)] = h.Sum(nil)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return compareModules(env.Stdout, sel, fsys, have)
}

// merged is a path in an image, which may or may not have the libraries of programs, and with them a link from lib to
// usr/lib.
func merged(name string) string { return strings.TrimPrefix(name, "usr/") }

// compareModules prints the differences.
func compareModules(
	out io.Writer, sel *initramfs.Selection, fsys fs.FS, have map[string][]byte,
) (same bool, err error) {
	same = true
	for _, m := range sel.Modules {
		if m.Builtin {
			continue
		}
		name := strings.TrimPrefix(m.Path, "/")
		if name == m.Path {
			name = sel.Dir + "/" + m.Path
		}
		sum, ok := have[merged(name)]
		if !ok {
			fmt.Fprintf(out, "+ %s (%s)\n", printable(name), m.Reasons[0])
			same = false
			continue
		}
		delete(have, merged(name))
		f, err := fsys.Open(name)
		if err != nil {
			return false, err
		}
		h := fnv.New128a()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return false, err
		}
		if !bytes.Equal(h.Sum(nil), sum) {
			fmt.Fprintf(out, "! %s\n", printable(name))
			same = false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		fmt.Fprintf(out, "- %s\n", printable(name))
		same = false
	}
	return same, nil
}

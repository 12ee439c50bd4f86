package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Base is what is already there when an image is unpacked, from archives that come before it: directories
// need no entry then, and links of it are followed instead of being replaced. The nil Base is empty.
type Base struct {
	dirs   map[string]bool
	links  map[string]string
	files  map[string]bool
	init   bool
	tables []string // module folders with tables
}

// HasInit reports whether the base has an /init, which an image behind it would replace.
func (b *Base) HasInit() bool { return b != nil && b.init }

// HasTables reports whether the base has tables for the modules of a kernel. Those of an image behind it replace
// them, and then say nothing of the modules in the base.
func (b *Base) HasTables(release string) bool {
	return b != nil && slices.ContainsFunc(b.tables, func(dir string) bool { return path.Base(dir) == release })
}

// Add notes an entry of the base.
func (b *Base) Add(name string, mode fs.FileMode, target string) {
	if b.dirs == nil {
		b.dirs, b.links, b.files = make(map[string]bool), make(map[string]string), make(map[string]bool)
	}
	name = path.Clean(strings.TrimLeft(name, "/"))
	delete(b.dirs, name)
	delete(b.links, name)
	delete(b.files, name)
	b.init = b.init || name == "init"
	if path.Base(name) == "modules.dep.bin" {
		b.tables = append(b.tables, path.Dir(name))
	}
	switch {
	case mode.IsDir():
		b.dirs[name] = true
	case mode&fs.ModeSymlink != 0:
		b.links[name] = target
	case mode.IsRegular():
		b.files[name] = true
	}
}

// has reports whether a directory is in the base.
func (b *Base) has(dir string) bool { return b != nil && b.dirs[dir] }

// hasFile reports whether a regular file is in the base, at a path that may go through links.
func (b *Base) hasFile(name string) bool {
	if b == nil {
		return false
	}
	at, err := b.follow(nil, name)
	return err == nil && b.files[at]
}

// maxLinks is how many links a path may go through, as in the kernel.
const maxLinks = 40

// follow resolves the links of a directory's path, those of the base and the others given.
func (b *Base) follow(links map[string]string, dir string) (string, error) {
	if len(links) == 0 && (b == nil || len(b.links) == 0) {
		return dir, nil
	}
	done, err := followLinks(dir, true, func(name string) (string, bool, error) {
		target, ok := links[name]
		if !ok && b != nil {
			target, ok = b.links[name]
		}
		return target, ok, nil
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w in the image", dir, err)
	}
	return done, nil
}

// followLinks resolves the links of a path, of its last element only on request, and returns where it leads, "." for
// the top, above which nothing leads. readLink says whether a path is a link and to what. The error is errLoop or
// readLink's.
func followLinks(
	name string, last bool, readLink func(name string) (target string, ok bool, err error),
) (string, error) {
	done, todo := ".", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		elem := todo[0]
		todo = todo[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, elem)
		target, ok, err := readLink(next)
		if err != nil {
			return "", err
		}
		if !ok || len(todo) == 0 && !last {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errLoop
		}
		if strings.HasPrefix(target, "/") {
			done = "."
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

var errLoop = errors.New("too many levels of symbolic links")

// Read adds the entries of an image that others will be put behind.
func (b *Base) Read(image []byte) error {
	in := NewReader(bytes.NewReader(image))
	for {
		f, err := in.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		b.Add(f.Path, f.Mode, f.Target)
	}
}

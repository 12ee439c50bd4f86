package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// briefKey begins the entry of the cache with the classes of changes that were found for a boot image. The number
// changes with the rules by which they are found, and with Changes.
const briefKey = "classes 2 of "

// mostBriefs is how many classes are kept for an image; then the entry is begun anew.
const mostBriefs = 4096

// briefs are the classes of changes that were found for the Checker's kernel. A class depends on nothing but what its
// key has: the modules, both kernels' images, and their trees.
type briefs struct {
	c       *Checker
	label   string // of the kernel's image
	set     string // the modules that are checked together, and the trees
	known   map[string]*Changes
	changed bool
}

// keptBriefs returns the classes that the cache has; nil if none are to be kept.
func (c *Checker) keptBriefs(modules []*kernel.Module) *briefs {
	if !c.o.Brief || c.o.Cache == nil || c.imageRead == "" {
		return nil
	}
	label, err := imageLabel(c.fsys, c.imageRead)
	if err != nil {
		return nil
	}
	b := &briefs{c: c, label: label, known: map[string]*Changes{}}
	b.set = fmt.Sprintf("%x %d %s %s", digest(modules), c.o.Flags, c.o.BuiltFor, c.treeLabel(c.p.Dir()))
	head := []byte(briefKey + label + "\n")
	if data, ok := bytes.CutPrefix(c.o.Cache.Get(briefKey+label), head); ok {
		if json.Unmarshal(data, &b.known) != nil || len(b.known) > mostBriefs {
			b.known = map[string]*Changes{}
		}
	}
	return b
}

// changes returns what changed for a module, in brief if Options.Brief is set.
func (b *briefs) changes(m *kernel.Module) *Changes {
	key := b.key(m)
	if ch := b.known[key]; ch != nil && key != "" {
		return ch
	}
	ch := b.c.changes(m).brief(m.Name)
	if key != "" {
		b.known[key], b.changed = ch, true
	}
	return ch
}

// key is what a module's class depends on; "" if that cannot be told.
func (b *briefs) key(m *kernel.Module) string {
	a, why, _ := b.c.typesBuiltFor(m)
	switch {
	case a == nil:
		return fmt.Sprintf("%s %s %s", m.Path, b.set, why)
	case a.label == "":
		return ""
	}
	dir := b.c.p.Dir()
	dir = dir[:strings.LastIndexByte(dir, '/')+1] + a.release
	return fmt.Sprintf("%s %s %s %s", m.Path, b.set, a.label, b.c.treeLabel(dir))
}

// save puts what is new into the cache.
func (b *briefs) save() {
	if b == nil || !b.changed {
		return
	}
	data, err := json.Marshal(b.known)
	if err == nil {
		b.c.o.Cache.Put(briefKey+b.label, append([]byte(briefKey+b.label+"\n"), data...))
	}
}

// brief leaves of changes what a table of many kernels has room for.
func (ch *Changes) brief(module string) *Changes {
	return &Changes{Class: ch.Class, Why: ch.Why, Advice: ch.Advice, Differ: ch.Differ, Types: []TypeChange{},
		Brief: ch.Summary(module)}
}

// treeLabel is by what a tree of modules is known in the cache; "" if nothing would tell that it has changed.
func (c *Checker) treeLabel(dir string) string {
	name, err := sysroot.Name(c.fsys, dir+"/modules.dep")
	if err != nil {
		return ""
	}
	info, err := fs.Stat(c.fsys, name)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d", dir, info.Size(), info.ModTime().UnixNano())
}

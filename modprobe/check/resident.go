package check

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// A resident is a module in the running kernel, which may be another build than the file of its name.
type resident struct {
	other       string // how it differs from the file; "" if nothing tells that it does
	proprietary kernel.Tri
}

// resident returns what is known of the module in the kernel that has the name of a file's; nil if there is none.
func (c *Checker) resident(m *kernel.Module) *resident {
	if !c.live {
		return nil
	}
	if r, ok := c.inside[m]; ok {
		return r
	}
	var r *resident
	if state := c.p.State(m.Name); state.Live && !state.Builtin {
		r = c.compare(m)
	}
	c.inside[m] = r
	return r
}

// compare compares a module with the one that is loaded, by what /sys/module tells of that.
func (c *Checker) compare(m *kernel.Module) *resident {
	r := new(resident)
	dir := "sys/module/" + m.Name + "/"
	letters, err := fs.ReadFile(c.fsys, dir+"taint")
	if err == nil {
		r.proprietary = kernel.No
		if bytes.ContainsRune(letters, 'P') {
			r.proprietary = kernel.Yes
		}
	}
	if f, parsed := elf.Parse(m.Image); parsed == nil {
		note, unread := fs.ReadFile(c.fsys, dir+"notes/.note.gnu.build-id")
		if file, loaded := f.BuildID(), f.NoteBuildID(note); unread == nil && file != nil && loaded != nil {
			if !bytes.Equal(file, loaded) {
				r.other = fmt.Sprintf("its build-id is %x, the file's %x", loaded, file)
			}
			return r
		}
	}
	version, unread := fs.ReadFile(c.fsys, dir+"srcversion")
	if own, ok := m.Field("srcversion"); unread == nil && ok && own != strings.TrimSpace(string(version)) {
		r.other = "its srcversion is " + strings.TrimSpace(string(version)) + ", the file's " + own
		return r
	}
	if err != nil {
		return r
	}
	_, intree := m.Field("intree")
	_, staging := m.Field("staging")
	for _, mark := range []struct {
		letter string
		file   bool // a load of the file leaves it
	}{{"O", !intree}, {"C", staging}} {
		switch marked := bytes.Contains(letters, []byte(mark.letter)); {
		case marked && !mark.file:
			r.other = "it is marked " + mark.letter + ", other than a load of the file would be"
		case !marked && mark.file:
			r.other = "it is not marked " + mark.letter + ", other than a load of the file would be"
		}
	}
	return r
}

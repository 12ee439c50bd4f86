package modprobe

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Loaded is a module in the kernel.
type Loaded struct {
	// Name is the module's name.
	Name string
	// Size is the memory it takes, in bytes; -1 if it is not known.
	Size int64
	// Users is its reference count; -1 if the kernel keeps none.
	Users int
	// Holders holds the names of the modules that use it.
	Holders []string
	// State is "Live", "Loading" or "Unloading", or empty.
	State string
}

// Loaded returns the modules that are loaded, the newest first, from /proc/modules and /sys/module. A module that is
// removed meanwhile is left out.
func (p *Prober) Loaded() ([]Loaded, error) {
	data, err := fs.ReadFile(p.fsys, "proc/modules")
	if err != nil {
		return nil, err
	}
	modules, err := parseLoaded(data)
	if err != nil {
		return nil, err
	}
	kept := modules[:0]
	for _, m := range modules {
		dir := "sys/module/" + m.Name
		if !fs.ValidPath(dir) || strings.Contains(m.Name, "/") {
			continue
		}
		if n, ok := p.number(dir + "/coresize"); ok {
			m.Size = int64(n)
		} else if _, err := fs.Stat(p.fsys, dir); err != nil && p.gone(m.Name) {
			continue
		}
		if n, ok := p.refcount(m.Name); ok {
			m.Users, m.Holders = n, p.Holders(m.Name)
		}
		kept = append(kept, m)
	}
	return kept, nil
}

// gone reports whether a module is no longer in /proc/modules. That /sys/module lacks it may only mean that /sys is not
// mounted.
func (p *Prober) gone(module string) bool {
	data, err := fs.ReadFile(p.fsys, "proc/modules")
	return err == nil && !bytes.HasPrefix(data, []byte(module+" ")) &&
		!bytes.Contains(data, []byte("\n"+module+" "))
}

// parseLoaded reads /proc/modules: "NAME SIZE USERS HOLDER,HOLDER, STATE ADDRESS", with "-" for an empty field.
func parseLoaded(data []byte) (modules []Loaded, err error) {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			continue
		}
		m := Loaded{Name: fields[0], Size: -1, Users: -1}
		if len(fields) > 1 {
			if m.Size, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
				return nil, fmt.Errorf("/proc/modules:%d: bad size %q", number, fields[1])
			}
		}
		if len(fields) > 2 {
			if n, err := strconv.Atoi(fields[2]); err == nil {
				m.Users = n
			}
		}
		if len(fields) > 3 && fields[3] != "-" {
			m.Holders = strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
		}
		if len(fields) > 4 {
			m.State = fields[4]
		}
		modules = append(modules, m)
	}
	return modules, nil
}

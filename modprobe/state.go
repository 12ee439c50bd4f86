package modprobe

import (
	"io/fs"
	"strconv"
	"strings"
)

// state is what the kernel says of a module.
type state int

const (
	notLoaded state = iota
	builtin
	live
	coming
	going
)

// inKernel reports whether there is nothing to insert. A module that is coming may still fail: inserting it again makes
// the kernel wait for that.
func (s state) inKernel() bool { return s == builtin || s == live }

// State is what the kernel says of a module.
type State struct {
	// Builtin reports that the module is a part of the kernel.
	Builtin bool
	// Loaded reports that the module is loaded, or on its way in or out.
	Loaded bool
	// Live reports that it is ready.
	Live bool
	// Users is its reference count; -1 if the kernel keeps none, or the module is not loaded.
	Users int
}

// State returns the state of the module of that name, spelled with underscores or dashes.
func (p *Prober) State(module string) State {
	module = strings.ReplaceAll(module, "-", "_")
	s := p.state(module)
	users, ok := p.refcount(module)
	if !ok {
		users = -1
	}
	return State{Builtin: s == builtin, Loaded: s == live || s == coming || s == going, Live: s == live,
		Users: users}
}

// state returns the state of a module.
func (p *Prober) state(module string) state {
	if _, ok := p.builtin().Lookup(module); ok && fs.ValidPath(module) {
		return builtin
	}
	return p.fileState(module)
}

// fileState returns the state of a module that is named by its file, as a dependency or a path is: a builtin module of
// the same name does not count.
func (p *Prober) fileState(module string) state {
	if !fs.ValidPath(module) || strings.Contains(module, "/") {
		return notLoaded
	}
	name := "sys/module/" + module
	data, err := fs.ReadFile(p.fsys, name+"/initstate")
	if err != nil {
		if _, err := fs.Stat(p.fsys, name); err == nil {
			return coming // or builtin, in a kernel without a list of these
		}
		return notLoaded
	}
	switch text := string(data); text {
	case "live\n":
		return live
	case "coming\n":
		return coming
	case "going\n":
		return going
	default:
		p.report(&StateError{File: "/" + name + "/initstate", Text: text})
		return notLoaded
	}
}

// refcount returns the reference count of a module; ok is false if there is none, because the kernel cannot unload
// modules or the module is not loaded.
func (p *Prober) refcount(module string) (n int, ok bool) {
	if !fs.ValidPath(module) || strings.Contains(module, "/") {
		return 0, false
	}
	return p.number("sys/module/" + module + "/refcnt")
}

// number reads a file with a number in it.
func (p *Prober) number(name string) (int, bool) {
	data, err := fs.ReadFile(p.fsys, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	return n, err == nil
}

// Holders returns the names of the loaded modules that use a module, in the order of its folder in /sys.
func (p *Prober) Holders(module string) []string {
	if !fs.ValidPath(module) || strings.Contains(module, "/") {
		return nil
	}
	f, err := p.fsys.Open("sys/module/" + module + "/holders")
	if err != nil {
		return nil
	}
	defer f.Close()
	dir, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil
	}
	entries, _ := dir.ReadDir(-1)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

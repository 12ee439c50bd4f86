// Package policy makes forbid and allow lines for modprobe.d(5) from what a machine has and uses, and tries lines out
// on what is loaded.
package policy

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Request is a name that will be asked for, and who asks.
type Request struct {
	// Name is the name of a module, or an alias such as fs-ext4.
	Name string
	// Why says what asks for it, for people.
	Why string
	// Must makes it an error that there is no such module.
	Must bool
}

// List is the modules that may be loaded.
type List struct {
	// Release is the release of the kernel whose modules were looked at.
	Release string
	// Entries are the modules that may be loaded by themselves, sorted by name.
	Entries []Entry
	// Needed are the names of all modules that loading the entries leads to, sorted; those of the entries are in it.
	Needed []string
	// All are the names of all modules of the tree, sorted.
	All []string
}

// Entry is a module that may be loaded by itself.
type Entry struct {
	// Module is its name.
	Module string
	// Why says who asks for it, sorted.
	Why []string
}

// builder makes a List.
type builder struct {
	p    *modprobe.Prober
	why  map[string]map[string]bool // reasons by module
	need map[string]bool            // what loading these leads to
}

// Build finds the modules that requests lead to, and the weakdeps of these. A module that is part of the kernel needs
// no line. libraries are names of modules that get a line only if no other entry needs them. The error is that a
// request that must be there is not, as of [modprobe.Prober.Resolve].
func Build(p *modprobe.Prober, requests, libraries []Request) (*List, error) {
	b := builder{p: p, why: make(map[string]map[string]bool), need: make(map[string]bool)}
	for _, r := range requests {
		if err := b.add(r); err != nil {
			return nil, err
		}
	}
	b.weakdeps()
	for _, r := range libraries {
		if !b.need[alias.ModName(r.Name)] {
			b.add(r)
		}
	}
	l := &List{Release: p.Release(), Needed: slices.Sorted(maps.Keys(b.need))}
	for _, module := range slices.Sorted(maps.Keys(b.why)) {
		l.Entries = append(l.Entries, Entry{module, slices.Sorted(maps.Keys(b.why[module]))})
	}
	for file := range p.Files() {
		l.All = append(l.All, alias.FromPath(file))
	}
	slices.Sort(l.All)
	l.All = slices.Compact(l.All)
	return l, nil
}

// add adds the modules of a request.
func (b *builder) add(r Request) error {
	modules, err := b.p.Resolve(r.Name)
	if err != nil {
		if r.Must {
			return err
		}
		return nil
	}
	for _, m := range modules {
		blacklisted := m.Alias != "" && !r.Must && b.p.Config().Blacklisted(m.Name)
		if m.Path == "" || blacklisted || !isPlain(m.Name) {
			continue
		}
		b.entry(m.Name, r.Why)
	}
	return nil
}

// entry adds a module with its reason, and what it needs.
func (b *builder) entry(module, why string) {
	if b.why[module] == nil {
		b.why[module] = make(map[string]bool)
		b.need[module] = true
		plan, _ := b.p.Plan(module, &modprobe.PlanOptions{ShowAll: true, AllowForbidden: true})
		for _, s := range plan {
			if s.Op != modprobe.OpBuiltin {
				b.need[s.Module.Name] = true
			}
		}
	}
	b.why[module][oneLine(why)] = true
}

// weakdeps adds what the modules ask for while they run.
func (b *builder) weakdeps() {
	for seen := make(map[string]bool); ; {
		var more []string
		for _, module := range slices.Sorted(maps.Keys(b.need)) {
			if !seen[module] {
				seen[module] = true
				more = append(more, module)
			}
		}
		if more == nil {
			return
		}
		for _, w := range b.p.Config().Weakdeps {
			for _, module := range more {
				if !alias.Match(w.Pattern, module) {
					continue
				}
				for _, name := range w.Modules {
					b.add(Request{Name: name, Why: "weakdep of " + module})
				}
			}
		}
	}
}

// isPlain reports whether a name can stand in a line and means only itself there.
func isPlain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || strings.ContainsRune(`*?[]\#`, r)
	})
}

// oneLine replaces what would end a line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

// mostReasons is how many reasons of a module are written.
const mostReasons = 3

// reason is the reasons of an entry as text.
func (e *Entry) reason() string {
	if more := len(e.Why) - mostReasons; more > 0 {
		return fmt.Sprintf("%s, and %d more", strings.Join(e.Why[:mostReasons], ", "), more)
	}
	return strings.Join(e.Why, ", ")
}

// Text returns the list as a file for modprobe.d. The lines stand in comments, so that other programs can read it.
func (l *List) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# What may be loaded with %s: these modules, and what they need. Made by modprobe --allowlist.
# modprobe.d(5) says what the lines mean; to kmod they are comments. "modprobe --audit FILE" tries them out.
# gomodprobe: forbid * not in the list of what this machine uses
`, oneLine(l.Release))
	for _, e := range l.Entries {
		fmt.Fprintf(&b, "# gomodprobe: allow %s %s\n", e.Module, e.reason())
	}
	return []byte(b.String())
}

// Kmod returns what comes nearest to the list in lines that kmod obeys: each module of the tree that no entry needs is
// blacklisted, and has an install command that fails.
func (l *List) Kmod() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `# What may not be loaded with %s, for kmod. Made by modprobe --allowlist --kmod. What this cannot do:
#  - a module that comes later, by dkms or with another kernel, is not forbidden until the file is made anew;
#  - what an allowed module needs can be loaded by itself, too: kmod does not look at who asks;
#  - "modprobe -i", "modprobe -C", MODPROBE_OPTIONS and insmod do not obey, nor does a file under another name;
#  - an install line for the same module in a file that is sorted before this one counts in its place;
#  - nothing is logged but that a command failed, without the line, and "blacklist" says nothing at all.
`, oneLine(l.Release))
	for _, e := range l.Entries {
		fmt.Fprintf(&b, "# allowed: %s (%s)\n", e.Module, e.reason())
	}
	for _, module := range l.All {
		if _, needed := slices.BinarySearch(l.Needed, module); !needed && isPlain(module) {
			fmt.Fprintf(&b, "blacklist %s\ninstall %s /bin/false\n", module, module)
		}
	}
	return []byte(b.String())
}

// Names returns requests for names that were given.
func Names(names []string) (list []Request) {
	for _, name := range names {
		list = append(list, Request{Name: name, Why: "asked for as " + name, Must: true})
	}
	return list
}

// Profile returns the requests of a machine described by the aliases of its devices and file systems and by the modules
// that were loaded on it.
func Profile(name string, aliases, modules []string) (list []Request) {
	name = path.Base(name)
	for _, a := range aliases {
		list = append(list, Request{Name: a, Why: cmp.Or(kind(a), "device") + " in " + name})
	}
	for _, m := range modules {
		list = append(list, Request{Name: m, Why: "loaded in " + name})
	}
	return list
}

// kind is what an alias is for, if it is no device.
func kind(alias string) string {
	if strings.HasPrefix(alias, "fs-") {
		return "file system"
	}
	return ""
}

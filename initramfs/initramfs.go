// Package initramfs puts kernel modules, with everything they need, into images that the kernel unpacks at boot.
//
// [Select] finds out what belongs into an image: modules by name, alias, file or pattern, the modules they depend on,
// those that only configuration or experience says they need, firmware. The [Selection] is plain data and knows why
// each module is there. [Selection.Entries] turns it into entries of an archive, with the tables of the module folder
// cut down to what is left, and [Write] writes entries; a caller may add its own in between. [NewReader] reads images.
//
// Nothing here needs root rights, a particular kernel or other programs, and the bytes written depend only on what
// goes in.
package initramfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Options say what goes into an image. The zero value selects no modules.
type Options struct {
	// Add says which modules are wanted. Each is one of
	//	ext4  virtio-blk        the name of a module
	//	pci:v00008086d…  fs-xfs an alias
	//	nls_*                   a pattern for names
	//	drivers/net/phy/*       a pattern, with a slash, for paths below kernel/, updates/ and so on;
	//	                        '*' crosses slashes
	//	=drivers/scsi           all modules below that folder of kernel/, updates/, extra/ …
	//	/lib/modules/…/x.ko     the path of a module file that is in the module folder
	Add []string
	// Try is Add for what need not exist.
	Try []string
	// Aliases are modaliases of devices. One that no module is for is no error.
	Aliases []string
	// Omit says which modules are left out, spelled as in Add, even if others need them.
	Omit []string
	// NoHidden leaves out what only the built-in list of undeclared needs asks for; see [Hidden].
	NoHidden bool
	// NoWeak leaves out weak dependencies.
	NoWeak bool
	// Firmware selects the firmware that the modules name.
	Firmware bool
	// FirmwarePath is what the parameter firmware_class.path of the kernel will be.
	FirmwarePath string
	// FirmwareSuffixes are the suffixes of compressed firmware that the kernel can read, in its order. Default:
	// .zst and .xz.
	FirmwareSuffixes []string
	// Config selects the files of modprobe.d.
	Config bool
	// Tables says which tables of the module folder the image gets.
	Tables TableSet
}

// Kind is a kind of reason for a module to be in an image.
type Kind string

// The kinds of reasons.
const (
	// Added: it was asked for in Options.Add; Reason.As is the words.
	Added Kind = "added"
	// Device: a device has the alias Reason.As.
	Device Kind = "device"
	// Dependency: module Reason.By uses its symbols.
	Dependency Kind = "dependency"
	// Softdep: it is loaded before or after Reason.By, whose softdep line calls it Reason.As.
	Softdep Kind = "softdep"
	// Weakdep: Reason.By may ask for it while running; its weakdep line calls it Reason.As.
	Weakdep Kind = "weakdep"
	// HiddenNeed: Reason.By needs it as experience shows; see Hidden.
	HiddenNeed Kind = "hidden"
)

// Reason says why a module is in an image.
type Reason struct {
	// Kind of reason.
	Kind Kind
	// By is the module that needs it; empty for Added and Device.
	By string
	// As is the name, alias or pattern that led to it.
	As string
}

// String is the reason in words: "dependency of ext4".
func (r Reason) String() string {
	switch r.Kind {
	case Added:
		return "added as " + r.As
	case Device:
		return "for device " + r.As
	case Dependency:
		return "dependency of " + r.By
	}
	return fmt.Sprintf("%s of %s, as %s", r.Kind, r.By, r.As)
}

// Module is a module that was selected.
type Module struct {
	// Name is spelled with underscores.
	Name string
	// Path of its file: relative to the module folder, or absolute for one outside. Empty if it is builtin.
	Path string
	// Builtin reports that it is a part of the kernel and needs no file.
	Builtin bool
	// Reasons it was selected for, the first found first.
	Reasons []Reason
}

// Missing is something that was looked for and not found.
type Missing struct {
	// Name of a module, an alias, a pattern or a file.
	Name string
	// Reason it was looked for.
	Reason Reason
	// Err is the cause.
	Err error
}

// String says what is missing and what asked for it.
func (m Missing) String() string { return fmt.Sprintf("%s (%s): %v", m.Name, m.Reason, m.Err) }

// ErrOmitted is the cause in a Missing for a module that Options.Omit leaves out and another one needs.
var ErrOmitted = errors.New("left out on request")

// StaleError is the cause in a Missing for a module that modules.dep lists and whose file is not there.
type StaleError struct {
	// File is its path in the module folder.
	File string
}

func (e *StaleError) Error() string {
	return "modules.dep lists " + e.File + ", which is not there; run depmod"
}

// Is makes it an fs.ErrNotExist.
func (e *StaleError) Is(target error) bool { return target == fs.ErrNotExist }

// Selection is what belongs into an image.
type Selection struct {
	// Release of the kernel.
	Release string
	// Dir is the module folder, such as lib/modules/6.1.0.
	Dir string
	// Modules sorted by path, builtin ones by name at the end.
	Modules []Module
	// Firmware sorted by name.
	Firmware []Firmware
	// Missing things, sorted by name.
	Missing []Missing
	// NoEffect are the elements of Options.Omit that no module of the kernel is meant by, in their order.
	NoEffect []string
	// BadTables is what is wrong with the tables in the module folder, an *fs.PathError; nil if nothing is. If it is not
	// nil, Select and the image have tables that were made of the modules that are there.
	BadTables error

	fsys  fs.FS
	deps  []depEntry
	o     Options
	index map[string]int // name → position in Modules
}

// Select finds what belongs into an image for the kernel of p, whose files are in fsys, the same file system that p
// was made with. A module that is asked for and not found is not an error but in Missing. Without a module folder, or
// with neither tables nor modules in it, the error is modprobe.ErrNoTables. Of an os.DirFS of a folder links are
// followed inside, as by modprobe.Root.
func Select(ctx context.Context, p *modprobe.Prober, fsys fs.FS, o *Options) (*Selection, error) {
	if o == nil {
		o = new(Options)
	}
	disk := sysroot.Confine(fsys)
	p, fsys, bad, err := usable(ctx, p, disk)
	if err != nil {
		return nil, err
	}
	s, err := newSelector(ctx, p, fsys, o)
	if err != nil {
		return nil, err
	}
	if bad != nil {
		s.compare(disk)
	}
	if err := s.omit(); err != nil {
		return nil, err
	}
	for _, a := range o.Add {
		s.request(a, Reason{Kind: Added, As: a})
	}
	for _, a := range o.Try {
		if names, err := s.find(a); err == nil {
			for _, n := range names {
				s.add(n, Reason{Kind: Added, As: a})
			}
		}
	}
	for _, a := range o.Aliases {
		s.device(a)
	}
	if err := s.expand(); err != nil {
		return nil, err
	}
	sel := s.selection()
	sel.BadTables = bad
	if o.Firmware {
		if err := sel.findFirmware(ctx); err != nil {
			return nil, err
		}
	}
	return sel, nil
}

// Module returns a selected module by name.
func (s *Selection) Module(name string) (*Module, bool) {
	i, ok := s.index[strings.ReplaceAll(name, "-", "_")]
	if !ok {
		return nil, false
	}
	return &s.Modules[i], true
}

// ChainLink is one step of a chain: a module and the reason that leads on.
type ChainLink struct {
	// Module is the name.
	Module string
	// Reason it was selected for.
	Reason Reason
}

// Why returns the shortest chain of reasons from a module to something that was asked for; nil if the module is not
// selected.
func (s *Selection) Why(name string) []ChainLink {
	return why(func(name string) []Reason {
		if m, ok := s.Module(name); ok {
			return m.Reasons
		}
		return nil
	}, strings.ReplaceAll(name, "-", "_"))
}

// why searches breadth first, so that the chain is the shortest one.
func why(reasons func(string) []Reason, name string) []ChainLink {
	type step struct {
		link ChainLink
		from int // position in the queue of the step before, -1 at the start
	}
	var queue []step
	seen := map[string]bool{name: true}
	push := func(module string, from int) {
		for _, r := range reasons(module) {
			queue = append(queue, step{ChainLink{module, r}, from})
		}
	}
	push(name, -1)
	for i := 0; i < len(queue); i++ {
		r := queue[i].link.Reason
		if r.By == "" {
			var chain []ChainLink
			for at := i; at >= 0; at = queue[at].from {
				chain = append(chain, queue[at].link)
			}
			return chain
		}
		if !seen[r.By] {
			seen[r.By] = true
			push(r.By, i)
		}
	}
	return nil
}

// WriteTo writes the selection as an uncompressed image.
func (s *Selection) WriteTo(w io.Writer) (int64, error) {
	entries, err := s.Entries()
	if err != nil {
		return 0, err
	}
	n := &countingWriter{w: w}
	err = Write(n, entries, nil)
	return n.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// sortMissing sorts by name, then by the module that asked.
func sortMissing(list []Missing) {
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return a.Name < b.Name || a.Name == b.Name && a.Reason.By < b.Reason.By
	})
}

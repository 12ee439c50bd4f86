package check

import (
	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// A target is a kernel: what its loader compares a module with. Fields that are not known keep their zero value; what
// depends on them is then reported as not known.
type target struct {
	Release      string          // as uname -r says it
	Vermagic     string          // what vermagic must be
	Machine      uint16          // ELF machine
	Class        int             // 32 or 64
	BigEndian    bool            // byte order
	Features     kernel.Features // build options
	Words        kernel.Words    // the loader's sentences
	kernel.Trust                 // whose signatures the kernel accepts
	Core         *kernel.Table   // what the kernel itself exports; nil: not known
	This         structModule    // struct module, as the kernel's own modules have it

	// Modules finds a symbol that one of the other modules exports: those that will be in the kernel when the
	// module is loaded. Nil: there are none.
	Modules func(symbol string) (kernel.Symbol, bool)

	// Open says that other modules may be loaded whose exports are not known: then nothing is certainly missing.
	Open bool

	// Taken tells whether /sys/module/NAME is there for a part of the kernel itself: no module of that name can be
	// loaded. Nil: it is not.
	Taken func(name string) kernel.Tri

	// Types returns the kernel's types in BTF, or why they are not known. Nil: they are not.
	Types func() (*btf.File, error)
	// Loaded tells whether a module of the name of this one, which is offered as a file, is in the kernel. Nil: it
	// is not.
	Loaded func(m *kernel.Module) bool
	// Present tells whether a module is in the kernel now, whether or not the one that is judged needs it. Nil: it is not.
	Present func(module string) bool

	// Resident returns what is known of the module in the kernel that has the name of one of the tree; nil if there is
	// none. Nil: nothing is loaded.
	Resident func(m *kernel.Module) *resident

	// The state of a running kernel. The zero value is a kernel that has just started and enforces nothing.
	Enforce   bool     // unsigned modules are refused, even if Features.SignEnforce does not say so
	Lockdown  bool     // integrity or confidentiality: unsigned modules are refused otherwise
	Disabled  bool     // modules_disabled: nothing is loaded any more
	Blacklist []string // names in module_blacklist=
	Tainted   string   // letters of taints already set: their messages have been printed

	verified map[*kernel.Module]kernel.SigFinding // what Verify found
}

// structModule is the size of struct module and where the functions of a module stand in it.
type structModule struct {
	Size       uint64 // 0: not known
	Init, Exit int64  // offsets; -1: not known
}

// LearnFrom fills in what one of the kernel's own modules tells: the layout of struct module, the machine, the
// vermagic.
func (k *target) LearnFrom(m *kernel.Module) {
	if m.Err() != nil || m.Size == 0 {
		return
	}
	if k.This.Size == 0 {
		k.This = structModule{Size: m.Size, Init: -1, Exit: -1}
	}
	if m.Init >= 0 && k.This.Init < 0 {
		k.This.Init = m.Init
	}
	if m.Exit >= 0 && k.This.Exit < 0 {
		k.This.Exit = m.Exit
	}
	if k.Machine == 0 {
		k.Machine = m.Machine
	}
	if k.Class == 0 {
		k.Class = m.Class
	}
	k.BigEndian = m.BigEndian
	if magic, ok := m.Field("vermagic"); ok && k.Vermagic == "" {
		k.Vermagic = magic
	}
	if k.Features.Versions == kernel.Maybe && m.Versioned {
		k.Features.Versions = kernel.Yes
	}
}

// Use fills in what the kernel's boot image tells.
func (k *target) Use(im *kernel.Image) {
	k.Core, k.Features, k.Words = im.Exports, im.Features, im.Words
	k.Keys, k.Signing, k.verified = im.Keys, im.Signing, nil
	if im.Vermagic != "" {
		k.Vermagic = im.Vermagic
	}
	if im.Machine != 0 {
		k.Machine = im.Machine
	}
	if im.Class != 0 {
		k.Class = im.Class
	}
	if k.Release == "" {
		k.Release = im.Release
	}
}

// lookup finds who exports a symbol: the kernel first, then modules.
func (k *target) lookup(name string) (kernel.Symbol, kernel.Answer) {
	s, answer := kernel.Symbol{}, kernel.Unknown
	if k.Core != nil {
		if s, answer = k.Core.Lookup(name); answer == kernel.Found {
			return s, kernel.Found
		}
	}
	if k.Modules != nil {
		// A kernel that knows flags does not look at exports for GPL modules that are in a table of their own; one
		// that does not know them takes all of the other table for exports to everybody.
		s, ok := k.Modules(name)
		if ok && k.resident(s.From).other != "" {
			return s, kernel.Unknown
		}
		flags := k.Words.Has(kernel.SayNoFlags)
		if ok && !(s.GPL && s.From != nil && !s.From.Flagged && flags == kernel.Yes) {
			s.GPL = s.GPL && !(s.From != nil && s.From.Flagged && flags == kernel.No)
			return s, kernel.Found
		}
	}
	if k.Open && answer == kernel.Absent {
		answer = kernel.Unknown
	}
	return s, answer
}

// resident returns what is known of the loaded module that has the name of one of the tree.
func (k *target) resident(m *kernel.Module) resident {
	if k.Resident == nil || m == nil {
		return resident{}
	}
	if r := k.Resident(m); r != nil {
		return *r
	}
	return resident{}
}

package kernel

// A Kernel is what a loader compares a module with. Fields that are not known keep their zero value; what depends on them
// is then reported as not known.
type Kernel struct {
	Release   string   // as uname -r says it
	Vermagic  string   // what vermagic must be
	Machine   uint16   // ELF machine
	Class     int      // 32 or 64
	BigEndian bool     // byte order
	Features  Features // build options
	Words     Words    // the loader's sentences
	Keys      []Key    // keys that the kernel accepts signatures of; nil: not known
	Core      *Table   // what the kernel itself exports; nil: not known
	This      This     // struct module, as the kernel's own modules have it

	// Modules finds a symbol that one of the other modules exports: those that will be in the kernel when the module is
	// loaded. Nil: there are none.
	Modules func(symbol string) (Symbol, bool)

	// Open says that other modules may be loaded whose exports are not known: then nothing is certainly missing.
	Open bool

	// Provider names the module that exports a symbol, though it will not be in the kernel; for advice. May be nil.
	Provider func(symbol string) string

	// Taken tells whether /sys/module/NAME is there for a part of the kernel itself: no module of that name can be loaded. Nil: it is not.
	Taken func(name string) Tri

	// The state of a running kernel. The zero value is a kernel that has just started and enforces nothing.
	Enforce   bool     // unsigned modules are refused, even if Features.SignEnforce does not say so
	Lockdown  bool     // integrity or confidentiality: unsigned modules are refused otherwise
	Disabled  bool     // modules_disabled: nothing is loaded any more
	Blacklist []string // names in module_blacklist=
	Tainted   string   // letters of taints already set: their messages have been printed

	verified map[*Module]SigState // what Verify found
}

// This is the size of struct module and where the functions of a module stand in it.
type This struct {
	Size       uint64 // 0: not known
	Init, Exit int64  // offsets; -1: not known
}

// Flags of finit_module.
const (
	IgnoreModversions = 1
	IgnoreVermagic    = 2
)

// LearnFrom completes a kernel by one of its own modules: the layout of struct module, the machine, the vermagic and the key
// that it was signed with.
func (k *Kernel) LearnFrom(m *Module) {
	if m.Err() != nil || m.Size == 0 {
		return
	}
	if k.This.Size == 0 {
		k.This = This{Size: m.Size, Init: -1, Exit: -1}
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
	if k.Features.Versions == Maybe && m.Versioned {
		k.Features.Versions = Yes
	}
}

// Use completes a kernel by what its boot image tells.
func (k *Kernel) Use(im *Image) {
	k.Core, k.Features, k.Words, k.Keys, k.verified = im.Exports, im.Features, im.Words, im.Keys, nil
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
func (k *Kernel) lookup(name string) (Symbol, Answer) {
	s, answer := Symbol{}, Unknown
	if k.Core != nil {
		if s, answer = k.Core.Lookup(name); answer == Found {
			return s, Found
		}
	}
	if k.Modules != nil {
		// A kernel that knows flags does not look at exports for GPL modules that are in a table of their own.
		if s, ok := k.Modules(name); ok && !(s.GPL && s.From != nil && !s.From.Flagged && k.Words.Has(SayNoFlags) == Yes) {
			return s, Found
		}
	}
	if k.Open && answer == Absent {
		answer = Unknown
	}
	return s, answer
}

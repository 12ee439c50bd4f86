package check

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A loader is one run of the rules, in the kernel's order. Steps return false when the load has failed.
type loader struct {
	k     *target
	m     *kernel.Module
	flags int
	given string // the parameters
	v     *Verdict
	sig   kernel.SigState
	name  string // of the module, in messages

	unsure     []*unsure         // symbols of which something is not known
	structures bool              // the structure of the ELF file is being checked
	crcs       map[string]uint64 // the module's versions, when the first is asked for
	namespaces []string          // that the module imports
}

// Check replays what the kernel does with a module given to finit_module with these flags
// (modprobe.IgnoreModversions, modprobe.IgnoreVermagic), up to the module's own init function, which it cannot judge.
func (k *target) Check(m *kernel.Module, flags int) *Verdict { return k.CheckWith(m, flags, "") }

// CheckWith is Check for a load with parameters, "a=1 b=2".
func (k *target) CheckWith(m *kernel.Module, flags int, given string) *Verdict {
	l := &loader{k: k, m: m, flags: flags, given: given, v: &Verdict{Outcome: Loads}, name: m.Name,
		namespaces: m.Fields("import_ns")}
	if l.name == "" {
		l.name = "(missing .modinfo section or name field)"
	}
	steps := []func() bool{
		l.state, l.signature, l.file, l.blacklist, l.layout, l.vermagic, l.loaded, l.taints, l.perCPU,
		l.exportVersions, l.moduleNamespaces, l.symbols, l.relocations, l.duplicates, l.types, l.parameters,
		l.sysfs,
	}
	if l.headerFirst() {
		steps = slices.Insert(steps, 1, l.header)
	}
	for _, step := range steps {
		if !step() {
			l.finish()
			return l.v
		}
	}
	l.structOffsets()
	l.finish()
	return l.v
}

// headerFirst tells whether the kernel looks at the ELF header before it looks at the signature. Those that say what
// is wrong with a file do not. Of those that do not say, 4.19 and its successors do, 4.14 and its predecessors do
// not: no image can tell, as both are silent.
func (l *loader) headerFirst() bool {
	words := &l.k.Words
	return words.Has(kernel.SayMagic) != kernel.Yes && words.Has(kernel.SayStructures) != kernel.Yes &&
		!kernel.AtLeast(l.k.Release, 5, 10) && kernel.AtLeast(l.k.Release, 4, 19)
}

// unsure is a fact that is not known of some symbols.
type unsure struct {
	what  string // with %s for their names
	names []string
}

// unsureOf records that a fact is not known of a symbol.
func (l *loader) unsureOf(what, symbol string) {
	i := slices.IndexFunc(l.unsure, func(u *unsure) bool { return u.what == what })
	if i < 0 {
		i = len(l.unsure)
		l.unsure = append(l.unsure, &unsure{what: what})
	}
	l.unsure[i].names = append(l.unsure[i].names, symbol)
}

// finish sets the outcome and puts fatal findings first.
func (l *loader) finish() {
	for _, u := range l.unsure {
		names := strings.Join(u.names[:min(len(u.names), 3)], ", ")
		if more := len(u.names) - 3; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		l.v.unknown(u.what, names)
	}
	found := l.v.Findings
	sort.SliceStable(found, func(i, j int) bool { return found[i].Fatal && !found[j].Fatal })
	switch {
	case l.v.Outcome == Fails:
	case len(l.v.NotVerified) > 0:
		l.v.Outcome = Unknown
	case len(l.v.Taints) > 0:
		l.v.Outcome = LoadsTaints
	}
}

// state refuses all modules if the running kernel loads none any more.
func (l *loader) state() bool {
	if l.k.Disabled {
		l.v.reason(true, KindState, "",
			"no module can be loaded until reboot (kernel.modules_disabled, "+
				"or nomodule on the command line)", "the kernel loads no modules any more")
		l.v.fail(syscall.EPERM)
		return false
	}
	return true
}

// blacklist is module_blacklist= of the kernel's command line.
func (l *loader) blacklist() bool {
	if !slices.Contains(l.k.Blacklist, l.name) {
		return true
	}
	l.v.reason(true, KindState, "", "remove it from module_blacklist= and reboot",
		"the kernel's command line has it in module_blacklist=")
	return l.fail(syscall.EPERM, kernel.SayBlacklisted, l.name)
}

// loaded refuses a second module of one name.
func (l *loader) loaded() bool {
	if l.k.Loaded == nil || !l.k.Loaded(l.m) {
		return true
	}
	l.v.reason(true, KindState, "", "remove that one first (modprobe -r "+l.name+")",
		"a module of this name is loaded")
	l.v.fail(syscall.EEXIST)
	return false
}

// versions tells whether CRCs are compared at all.
func (l *loader) versions() bool { return l.k.Features.Versions != kernel.No }

// hasTable tells whether the kernel sees a table of versions in the module.
func (l *loader) hasTable() bool {
	_, table := l.k.seen(l.m)
	return table && l.flags&modprobe.IgnoreModversions == 0
}

// seen returns the versions of a module that the kernel compares, and whether it finds a table of them.
func (k *target) seen(m *kernel.Module) (list []elf.Version, table bool) {
	return m.Seen(k.Words.Has(kernel.SayNoExtVersion) != kernel.No)
}

// force is try_to_force_load, which the kernel calls where the module lacks something, or a flag ignores it.
func (l *loader) force(what, why string) bool {
	switch l.k.Features.ForceLoad {
	case kernel.No:
		l.v.reason(true, KindForce, "", "no option helps: build the module for this kernel",
			"%s, and this kernel was built without CONFIG_MODULE_FORCE_LOAD: it says nothing and refuses",
			why)
		l.v.fail(syscall.ENOEXEC)
		return false
	case kernel.Maybe:
		l.v.unknown("whether the kernel can be forced (CONFIG_MODULE_FORCE_LOAD)")
	}
	l.taint("F", "forced: "+why, kernel.SayForced, l.name, what)
	return true
}

// layout compares the CRC of module_layout.
func (l *loader) layout() bool {
	if !l.versions() {
		return true
	}
	want, answer := kernel.Symbol{}, kernel.Unknown
	if l.k.Core != nil {
		want, answer = l.k.Core.Lookup(kernel.LayoutSymbol)
	}
	if answer != kernel.Found || !want.HasCRC {
		if answer == kernel.Unknown || !l.k.Core.CRCs {
			l.unsureOf(unsureCRC, kernel.LayoutSymbol)
		}
		return true
	}
	return l.version(want, syscall.ENOEXEC)
}

// version is check_version for one symbol. It returns false if the load fails, with errno, for its version.
func (l *loader) version(want kernel.Symbol, errno syscall.Errno) bool {
	m, v := l.m, l.v
	if !want.HasCRC || !l.versions() {
		return true
	}
	versions, table := l.k.seen(m)
	if !l.hasTable() {
		why := "the module has no table of symbol versions"
		switch {
		case table:
			why = fmt.Sprintf("%d CRCs of symbols are not compared", len(versions))
		case m.Versioned:
			why = "the module's table of symbol versions is one that this kernel does not know"
		}
		return l.force(want.Name, why)
	}
	if l.crcs == nil {
		l.crcs = make(map[string]uint64, len(versions))
		for _, v := range slices.Backward(versions) { // of several the first counts
			l.crcs[v.Name] = v.CRC
		}
	}
	crc, ok := l.crcs[want.Name]
	switch {
	case ok && crc == uint64(want.CRC):
		return true
	case ok:
		l.say(kernel.SayDisagrees, l.name, want.Name)
		l.versionReason(want, crc)
	case m.Extended && l.k.Words.Has(kernel.SayNoExtVersion) != kernel.No:
		l.say(kernel.SayNoExtVersion, l.name, want.Name)
		return true
	default:
		strict := l.k.Features.Strict
		l.say(kernel.SayNoVersion, l.name, want.Name)
		advice := "build it against the exporter's Module.symvers (KBUILD_EXTRA_SYMBOLS=…/Module.symvers)"
		if want.Owner == kernel.Core || want.InTree {
			advice = "build it against the headers of " + l.k.Release + ", with their Module.symvers"
		}
		if strict == kernel.No {
			v.reason(false, KindNoVersion, want.Name, advice,
				"built without a version for %s of %s: this kernel only warns", want.Name, want.Owner)
			return true
		}
		if strict == kernel.Maybe {
			l.unsureOf("that this kernel takes imports without a version (%s)", want.Name)
			return true
		}
		v.reason(true, KindNoVersion, want.Name, advice,
			"the module was built without a version for %s, which %s exports with CRC 0x%08x", want.Name,
			want.Owner, want.CRC)
	}
	v.fail(errno)
	return false
}

// versionReason adds the finding for a symbol whose CRC in the module, crc, is not the exporter's.
func (l *loader) versionReason(want kernel.Symbol, crc uint64) {
	if want.Name == kernel.LayoutSymbol {
		magic, _ := l.m.Field("vermagic")
		advice := "rebuild it against the headers of " + l.k.Release
		if r := kernel.MagicRelease(magic); r != l.k.Release {
			advice += ", or load it on " + r
		}
		l.v.reason(true, KindLayout, want.Name, advice,
			"built for another kernel: module_layout is 0x%08x in the module, 0x%08x in the kernel "+
				"(configuration or build differs; expect all other symbols to differ too)", crc,
			want.CRC)
		return
	}
	where, advice := "this kernel", "rebuild it against the headers of "+l.k.Release
	if want.Owner != kernel.Core {
		where = "module " + want.Owner
		if !want.InTree {
			advice = "rebuild it with the Module.symvers that " + want.Owner +
				"'s build has left (KBUILD_EXTRA_SYMBOLS=…/Module.symvers)"
		}
	}
	if crc == 0 {
		where += "; zeros come from a line of Module.symvers that was made by hand, " +
			"or from a build without symbol versions"
	}
	l.v.reason(true, KindVersion, want.Name, advice, "%s: CRC 0x%08x in the module, 0x%08x in %s", want.Name, crc,
		want.CRC, where)
}

// vermagic compares the version string and, on old kernels, asks for livepatch support.
func (l *loader) vermagic() bool {
	k, m, v := l.k, l.m, l.v
	magic, ok := m.Field("vermagic")
	versioned := l.hasTable() && m.Basic && l.versions()
	switch {
	case l.flags&modprobe.IgnoreVermagic != 0:
		if !l.force("bad vermagic", "vermagic is not compared") {
			return false
		}
	case !ok:
		v.reason(false, KindVermagic, "", "", "the module has no vermagic")
		if !l.force("bad vermagic", "the module has no vermagic") {
			return false
		}
	case k.Vermagic == "":
		v.unknown("the kernel's vermagic")
	case !kernel.SameMagic(magic, k.Vermagic, versioned):
		l.magicReasons(magic, versioned)
		return l.fail(syscall.ENOEXEC, kernel.SayVermagic, l.name, magic, k.Vermagic)
	}
	if _, live := m.Field("livepatch"); live && k.Features.Livepatch == kernel.No {
		v.reason(true, KindFile, "", "use a kernel with CONFIG_LIVEPATCH",
			"it is a live patch, and this kernel was built without support for them")
		return l.fail(syscall.ENOEXEC, kernel.SayNoLivepatch, l.name)
	}
	return true
}

// magicReasons adds the findings for a vermagic that differs. versioned is set if the release in it does not count.
func (l *loader) magicReasons(magic string, versioned bool) {
	advice := "rebuild it against the headers of " + l.k.Release
	diff := kernel.DiffVermagic(magic, l.k.Vermagic)
	for _, d := range diff {
		if d.Field == "release" && versioned {
			continue
		}
		l.v.reason(true, KindVermagic, "", advice, "vermagic: %s is %s in the module, %s in the kernel",
			d.Field, orNone(d.Module), orNone(d.Kernel))
		advice = ""
	}
	if advice != "" {
		l.v.reason(true, KindVermagic, "", advice,
			"vermagic differs in blanks or order: %q in the module, %q in the kernel", magic, l.k.Vermagic)
	}
	if l.flags == modprobe.IgnoreModversions {
		l.v.reason(false, KindForce, "", "use --force, or --force-vermagic as well",
			"--force-modversion alone makes the kernel compare the release too")
	}
}

// say adds a sentence to the log of the load, if the kernel has it; to MayLog if that is not known.
func (l *loader) say(s kernel.Sentence, args ...any) {
	words := &l.k.Words
	if words.Has(s) == kernel.No {
		return
	}
	const most = 960 // of a line, more or less, is kept
	if line, sure := words.Line(s, args); sure && len(line) <= most {
		l.v.Log = append(l.v.Log, line)
	} else {
		l.v.MayLog = append(l.v.MayLog, line)
	}
}

// fail ends the check: the load logs this sentence and fails with errno.
func (l *loader) fail(errno syscall.Errno, s kernel.Sentence, args ...any) bool {
	l.say(s, args...)
	l.v.fail(errno)
	return false
}

// taint sets a taint flag. The sentence is logged unless the flag was set before.
func (l *loader) taint(letter, why string, s kernel.Sentence, args ...any) {
	if l.v.tainted(letter) {
		return
	}
	l.v.Taints = append(l.v.Taints, Taint{letter, why})
	if !strings.Contains(l.k.Tainted, letter) {
		l.say(s, args...)
	}
}

package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// taints sets the taint flags that the kernel sets before it looks at symbols.
func (l *loader) taints() bool {
	k, m, v := l.k, l.m, l.v
	if _, ok := m.Field("intree"); !ok {
		l.taint("O", "out-of-tree module", kernel.SayOutOfTree, l.name)
	}
	if _, ok := m.Field("retpoline"); !ok && k.Features.Retpoline != kernel.No &&
		(k.Machine == kernel.EMX8664 || k.Machine == kernel.EM386) {
		line, _ := k.Words.Line(kernel.SayRetpoline, []any{l.name})
		v.MayLog = append(v.MayLog, line) // only where the processor asks for them
	}
	if _, ok := m.Field("staging"); ok {
		v.Taints = append(v.Taints, Taint{"C", "staging driver"})
		l.say(kernel.SayStaging, l.name)
	}
	if _, ok := m.Field("livepatch"); ok {
		l.taint("K", "live patch", kernel.SayLivepatch, l.name) // which is printed once
	}
	if name, gpl := m.Licence(); !gpl {
		l.taint("P", "licence "+name+" is not compatible with the GPL", kernel.SayLicence, l.name, name)
	}
	if _, ok := m.Field("test"); ok && k.Words.Has(kernel.SayTest) != kernel.No {
		l.taint("N", "test module", kernel.SayTest, l.name)
	}
	if l.sig != kernel.SigValid && k.Features.Signatures != kernel.No {
		if l.sig == kernel.SigUnverified || l.sig == kernel.SigEnrolled || l.sig == kernel.SigMisfit ||
			k.Features.Signatures == kernel.Maybe {
			line, _ := k.Words.Line(kernel.SayUnverified, []any{l.name})
			v.MayLog = append(v.MayLog, line)
		} else {
			l.taint("E", "unsigned, or signed with a key the kernel does not know", kernel.SayUnverified,
				l.name)
		}
	}
	l.licenceAgain()
	return true
}

// licenceAgain adds the second line that some kernels log about a licence that taints.
func (l *loader) licenceAgain() {
	if !l.v.tainted("P") || strings.Contains(l.k.Tainted, "P") {
		return
	}
	switch l.k.Features.LicenceAgain {
	case kernel.Yes:
		l.say(kernel.SayLicenceAgain, l.name)
	case kernel.Maybe:
		line, _ := l.k.Words.Line(kernel.SayLicenceAgain, []any{l.name})
		l.v.MayLog = append(l.v.MayLog, line)
	}
}

// minUnit is an upper bound, in bytes, of the per-CPU memory that a kernel has for one module (PCPU_MIN_UNIT_SIZE).
const minUnit = 32 << 10

// perCPU refuses a module with more per-CPU data than any kernel provides.
func (l *loader) perCPU() bool {
	if l.m.PerCPU <= minUnit {
		return true
	}
	l.v.reason(true, KindFile, "", "allocate it when the module starts (alloc_percpu)",
		"its data for each processor (.data..percpu) has %d bytes: no kernel gives a module more than %d",
		l.m.PerCPU, minUnit)
	return l.fail(syscall.ENOMEM, kernel.SayNoPerCPU, l.name, l.m.PerCPU)
}

// exportFlags requires flags for the module's own exports, where the kernel has them. Such kernels do not read the
// tables that modules had before.
func (l *loader) exportFlags() bool {
	m := l.m
	if l.k.Words.Has(kernel.SayNoFlags) == kernel.No || len(m.Exports) == 0 || m.Flagged {
		return true
	}
	gpl := slices.IndexFunc(m.Exports, func(e kernel.Symbol) bool { return e.GPL }) // those come last
	if l.k.Words.Has(kernel.SayNoFlags) == kernel.Maybe {
		return true // the vermagic tells kernels apart that do and do not
	}
	if gpl >= 0 {
		l.v.reason(false, KindNoVersion, m.Exports[gpl].Name, "build it for this kernel",
			"its exports for GPL modules are in a table that this kernel does not look at")
		l.say(kernel.SayObsoleteGPL, l.name)
		if m.Exports[gpl].HasCRC {
			l.say(kernel.SayObsoleteCRCs, l.name)
		}
	}
	if gpl == 0 {
		return true
	}
	l.v.reason(true, KindFile, "", "build it for this kernel; no force helps",
		"its exports have no flags (__kflagstab): it was built for an older kernel")
	return l.fail(syscall.ENOEXEC, kernel.SayNoFlags, l.name)
}

// exportVersions requires flags and CRCs for a module's own exports.
func (l *loader) exportVersions() bool {
	if !l.exportFlags() {
		return false
	}
	lacks := slices.ContainsFunc(l.m.Exports, func(e kernel.Symbol) bool { return !e.HasCRC })
	if !lacks || l.k.Features.Versions != kernel.Yes || len(l.m.Exports) == 0 {
		return true
	}
	l.v.reason(false, KindNoVersion, "", "build it with CONFIG_MODVERSIONS", "its own exports have no versions")
	return l.force("no versions for exported symbols", "its exports have no versions")
}

// moduleNamespaces refuses to import a namespace that is a list of modules, where the kernel knows of such.
func (l *loader) moduleNamespaces() bool {
	for _, ns := range l.namespaces {
		if !strings.HasPrefix(ns, "module:") {
			continue
		}
		switch l.k.Words.Has(kernel.SayModuleNamespace) {
		case kernel.Yes:
			l.v.reason(true, KindNamespace, "",
				"take the import out: only the modules that it names may use its symbols",
				"it imports the namespace %s", ns)
			return l.fail(syscall.EPERM, kernel.SayModuleNamespace, l.name, ns)
		case kernel.Maybe:
			l.v.unknown("whether the kernel lets a module import the namespace %s", ns)
		}
	}
	return true
}

// symbols resolves every import, in the order of the symbol table. All failures are logged; the load fails with the
// errno of the last.
func (l *loader) symbols() bool {
	k, v := l.k, l.v
	var failed syscall.Errno
	proprietary := v.tainted("P")
	gplUsed := false
	for _, im := range l.m.Imports {
		if im.Common {
			if strings.HasPrefix(im.Name, "__gnu_lto") {
				continue
			}
			l.say(kernel.SayCommon, l.name)
			v.reason(true, KindFile, im.Name, "compile it with -fno-common", "%s is a common symbol",
				im.Name)
			failed = syscall.ENOEXEC
			continue
		}
		if l.ignored(im.Name) {
			continue
		}
		s, answer := k.lookup(im.Name)
		if answer == kernel.Unknown && s.From != nil {
			l.otherLoaded(s)
			continue
		}
		if answer == kernel.Unknown {
			l.unsureOf("that the kernel exports %s", im.Name)
			continue
		}
		if answer == kernel.Found && s.Owner != kernel.Core && !slices.Contains(v.Needs, s.Owner) {
			v.Needs = append(v.Needs, s.Owner)
		}
		var errno syscall.Errno
		switch {
		case answer == kernel.Absent && im.Weak:
			continue
		case answer == kernel.Absent:
			l.missing(im.Name)
			errno = syscall.ENOENT
		case s.GPL && proprietary:
			if im.Weak {
				continue
			}
			if name, gpl := l.m.Licence(); gpl {
				v.reason(true, KindLicence, im.Name,
					"a module with a GPL-compatible licence cannot use both",
					"%s is exported to GPL modules only, and the module uses a proprietary one",
					im.Name)
			} else {
				v.reason(true, KindLicence, im.Name,
					"only a module with a GPL-compatible licence may use it",
					"%s is exported to GPL modules only, and the module's licence is %q", im.Name,
					name)
			}
			errno = syscall.ENOENT
		default:
			gplUsed = gplUsed || s.GPL
			errno = l.inherit(s, gplUsed, &proprietary)
			if errno != 0 && im.Weak {
				continue
			}
			if errno == 0 {
				errno = l.use(s)
			}
		}
		if errno != 0 {
			failed = errno
			l.say(kernel.SayUnknown, l.name, im.Name, -int(errno))
		}
	}
	if failed != 0 {
		v.Outcome, v.Errno = Fails, failed
		return false
	}
	v.Outcome = Loads
	return true
}

// inherit is the rule for a module that uses a symbol of a proprietary one: it becomes proprietary itself. It must not
// have used symbols that are for GPL modules only, which gplUsed says, and must not use them from then on.
func (l *loader) inherit(s kernel.Symbol, gplUsed bool, proprietary *bool) syscall.Errno {
	if s.From == nil || l.k.Words.Has(kernel.SayInherits) == kernel.No ||
		!l.proprietary(s.From, map[*kernel.Module]bool{l.m: true}) {
		return 0
	}
	args := []any{l.name, s.Name, s.Owner}
	if gplUsed {
		if l.k.Words.Takes(kernel.SayGPLOnly) == 2 { // up to 5.14 without the symbol
			args = []any{l.name, s.Owner}
		}
		l.say(kernel.SayGPLOnly, args...)
		l.v.reason(true, KindLicence, s.Name,
			"a module with a GPL-compatible licence cannot use both: do without "+s.Owner,
			"it uses symbols for GPL modules only, and %s of the proprietary module %s", s.Name, s.Owner)
		return syscall.ENOENT
	}
	if !*proprietary {
		if l.k.Words.Takes(kernel.SayInherits) == 2 {
			args = []any{l.name, s.Owner}
		}
		l.say(kernel.SayInherits, args...)
		l.v.Taints = append(l.v.Taints, Taint{"P", "uses " + s.Name + " of the proprietary module " + s.Owner})
		*proprietary = true
	}
	return 0
}

// proprietary reports whether a module that is loaded earlier counts as proprietary: by its licence, or because it uses
// a module that does.
func (l *loader) proprietary(m *kernel.Module, seen map[*kernel.Module]bool) bool {
	switch l.k.resident(m).proprietary {
	case kernel.Yes:
		return true
	case kernel.No:
		return false
	}
	if _, gpl := m.Licence(); !gpl {
		return true
	}
	seen[m] = true
	for _, im := range m.Imports {
		s, _ := l.k.lookup(im.Name)
		if s.From != nil && !seen[s.From] && l.proprietary(s.From, seen) {
			return true
		}
	}
	return false
}

// otherLoaded is about a symbol of a module that is loaded and is not the file of its name: nothing tells what that
// exports.
func (l *loader) otherLoaded(s kernel.Symbol) {
	l.unsureOf("what the module "+s.Owner+" that is loaded exports, which is not its file: %s", s.Name)
	said := func(f Finding) bool { return f.Kind == KindState && f.Symbol == s.Owner }
	if !slices.ContainsFunc(l.v.Findings, said) {
		l.v.reason(false, KindState, s.Owner,
			"load the file instead (modprobe -r "+s.Owner+"), or ask again after the next start",
			"%s is loaded, and is not the file %s: %s", s.Owner, s.From.Path, l.k.resident(s.From).other)
	}
}

// ignored are undefined symbols that the kernel defines itself.
func (l *loader) ignored(name string) bool {
	switch l.k.Machine {
	case kernel.EMX8664, kernel.EM386:
		return name == "_GLOBAL_OFFSET_TABLE_"
	case kernel.EMPPC64:
		return name == ".TOC." || name == "TOC."
	}
	return false
}

// missing adds the finding for a symbol that nothing exports.
func (l *loader) missing(name string) {
	advice := "this kernel has no such symbol: the module needs another kernel or other sources"
	if _, inTree := l.m.Field("intree"); !inTree {
		advice += ", or a module from elsewhere that exports it: name that one, too"
	}
	if i := strings.LastIndex(name, "_R"); i > 0 && len(name)-i >= 8 &&
		strings.Trim(name[i+2:], "0123456789abcdef") == "" {
		advice = "the name ends as in kernel 2.4: this is no module for a kernel of today"
	}
	l.v.reason(true, KindMissing, name, advice, "nobody exports %s", name)
}

// unsureCRC is what is not verified if the CRC of a symbol is not known.
const unsureCRC = "the kernel's CRC of %s"

// use checks version and namespace of a symbol that was found. The errno is 0 if the module may use it.
func (l *loader) use(s kernel.Symbol) syscall.Errno {
	k, v := l.k, l.v
	if s.Owner == kernel.Core && !k.Core.CRCs {
		l.unsureOf(unsureCRC, s.Name)
	} else if was := v.Outcome; !l.version(s, syscall.EINVAL) {
		if l.k.Features.ForceLoad == kernel.No && !l.hasTable() {
			return syscall.ENOEXEC
		}
		v.Outcome, v.Errno = was, 0 // the other symbols are looked at too
		return syscall.EINVAL
	}
	if s.Owner == kernel.Core && !k.Core.Licences {
		if name, gpl := l.m.Licence(); !gpl {
			l.unsureOf("that the kernel lets a module with the licence "+strconv.Quote(name)+" use %s",
				s.Name)
		}
		for ns := range strings.FieldsSeq(s.Namespace) { // it may be in one of these
			if !l.imports(ns) {
				l.unsureOf("that %s may be used without importing the namespace "+ns, s.Name)
			}
		}
		return 0
	}
	if s.Namespace == "" || l.imports(s.Namespace) {
		return 0
	}
	advice := fmt.Sprintf("add MODULE_IMPORT_NS(%q) to the module's source (without the quotes before 6.13)",
		s.Namespace)
	fatal := k.Features.Namespaces != kernel.No
	v.reason(fatal, KindNamespace, s.Name, advice, "%s is in namespace %s, which the module does not import",
		s.Name, s.Namespace)
	l.say(kernel.SayNamespace, l.name, s.Name, s.Namespace)
	if fatal {
		return syscall.EINVAL
	}
	return 0
}

// imports tells whether the module may use a namespace: it names it or, where the kernel knows of such, the namespace
// names the module.
func (l *loader) imports(ns string) bool {
	list, special := strings.CutPrefix(ns, "module:")
	if special && l.k.Words.Has(kernel.SayModuleNamespace) != kernel.No {
		dashes := strings.NewReplacer("-", "_")
		for _, pattern := range strings.Split(list, ",") {
			pattern, prefix := strings.CutSuffix(dashes.Replace(pattern), "*")
			name := dashes.Replace(l.name)
			if name == pattern || prefix && strings.HasPrefix(name, pattern) {
				return true
			}
		}
		return false
	}
	return slices.Contains(l.namespaces, ns)
}

// duplicates refuses exports that somebody else has: the kernel, or a module that has to be loaded before this one.
// What another module exports is only in the way while that one is loaded.
func (l *loader) duplicates() bool {
	for _, e := range l.m.Exports {
		s, answer := l.k.lookup(e.Name)
		if answer != kernel.Found || s.Owner == l.m.Name {
			continue
		}
		owner := s.Owner
		if owner == kernel.Core && !l.k.Core.Complete {
			if !l.provides(e.Name) {
				l.unsureOf("that the kernel does not export %s as well", e.Name)
			}
			continue
		}
		if owner == kernel.Core {
			owner = "kernel"
		} else if !slices.Contains(l.v.Needs, owner) && (l.k.Present == nil || !l.k.Present(owner)) {
			l.v.reason(false, KindDuplicate, e.Name, "",
				"it exports %s, as %s does: only one of them can be loaded", e.Name, owner)
			continue
		}
		l.v.reason(true, KindDuplicate, e.Name, "it is in the kernel already, or is not to be loaded beside "+
			owner, "it exports %s, which %s exports too", e.Name, owner)
		return l.fail(syscall.ENOEXEC, kernel.SayDuplicate, l.name, e.Name, owner)
	}
	return true
}

// provides tells whether the tables of the tree say that this module exports a symbol.
func (l *loader) provides(symbol string) bool {
	if l.k.Modules == nil {
		return false
	}
	s, ok := l.k.Modules(symbol)
	return ok && s.Owner == l.m.Name
}

// sysfs is the creation of /sys/module/NAME, which fails if the folder exists.
func (l *loader) sysfs() bool {
	name := l.m.SysName
	if name == "" && l.m.Size != 0 {
		l.v.reason(true, KindFile, "", "get it again, or build it again", "struct module has no name")
		l.v.fail(syscall.EINVAL)
		return false
	}
	if l.k.Taken == nil {
		return true
	}
	switch l.k.Taken(name) {
	case kernel.Yes:
		l.v.reason(true, KindState, "", "it is in the kernel already: there is nothing to load",
			"the kernel has %s built in, with a folder in /sys/module", name)
		return l.fail(syscall.EINVAL, kernel.SayInSysfs, name)
	case kernel.Maybe:
		l.v.unknown("whether the %s that is built in has a folder in /sys/module: "+
			"no module of that name loads then", name)
	}
	return true
}

// structOffsets warns of a struct module whose layout is not this kernel's, which the loader does not check.
func (l *loader) structOffsets() {
	k, m := l.k.This, l.m
	if k.Size == 0 || m.Size == 0 {
		return
	}
	bad := func(a, b int64) bool { return a >= 0 && b >= 0 && a != b }
	if k.Size != m.Size || bad(k.Init, m.Init) || bad(k.Exit, m.Exit) {
		l.v.reason(false, KindLayout, "", "do not load it: rebuild it against the headers of "+l.k.Release,
			"struct module is not this kernel's (%d bytes, init at %d, exit at %d; the kernel has %d, %d, "+
				"%d): the kernel may jump to a wild address",
			m.Size, m.Init, m.Exit, k.Size, k.Init, k.Exit)
		l.v.unknown("what the kernel does with another layout of struct module")
	}
}

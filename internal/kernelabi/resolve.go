package kernelabi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// taints sets the marks that the kernel sets before it looks at symbols.
func (l *loader) taints() bool {
	k, m, v := l.k, l.m, l.v
	if _, ok := m.Field("intree"); !ok {
		v.taint(k, 'O', "out-of-tree module", l.name+": loading out-of-tree module taints kernel.")
	}
	if _, ok := m.Field("retpoline"); !ok && k.Features.Retpoline != No && (k.Machine == emX8664 || k.Machine == em386) {
		v.Maybe = append(v.Maybe, l.name+": loading module not compiled with retpoline compiler.")
	}
	if _, ok := m.Field("staging"); ok {
		v.taint(k, 'C', "staging driver", "")
		v.Log = append(v.Log, l.name+": module is from the staging directory, the quality is unknown, you have been warned.")
	}
	if _, ok := m.Field("livepatch"); ok {
		v.taint(k, 'K', "live patch", "")
		v.Log = append(v.Log, l.name+": tainting kernel with TAINT_LIVEPATCH")
	}
	if name, gpl := m.licence(); !gpl {
		v.taint(k, 'P', "licence "+name+" is not compatible with the GPL", fmt.Sprintf("%s: module license '%s' taints kernel.", l.name, name))
		if !strings.Contains(k.Tainted, "P") && atLeast(k.Release, 6, 4) {
			v.Log = append(v.Log, l.name+": module license taints kernel.")
		}
	}
	if _, ok := m.Field("test"); ok && atLeast(k.Release, 6, 0) {
		v.taint(k, 'N', "test module", l.name+": loading test module taints kernel.")
	}
	if l.sig != SigValid && k.Features.Signatures != No {
		line := l.name + ": module verification failed: signature and/or required key missing - tainting kernel"
		switch {
		case l.sig == SigUnverified || k.Features.Signatures == Maybe:
			v.Maybe = append(v.Maybe, line)
		default:
			v.taint(k, 'E', "unsigned, or signed with a key the kernel does not know", line)
		}
	}
	return true
}

// exportVersions wants CRCs for a module's own exports.
func (l *loader) exportVersions() bool {
	table := slices.ContainsFunc(l.m.Exports, func(e Symbol) bool { return e.HasCRC })
	if table || l.k.Features.Versions != Yes || len(l.m.Exports) == 0 {
		return true
	}
	l.v.reason(false, KindNoVersion, "", "build it with CONFIG_MODVERSIONS", "its own exports have no versions")
	return l.force("no versions for exported symbols", "its exports have no versions")
}

// symbols resolves every import, in the order of the symbol table: all failures are printed, the last one's errno is
// returned.
func (l *loader) symbols() bool {
	k, v := l.k, l.v
	var failed syscall.Errno
	proprietary := slices.ContainsFunc(v.Taints, func(t Taint) bool { return t.Letter == 'P' })
	gplUsed := false
	for _, im := range l.m.Imports {
		if im.Common {
			if strings.HasPrefix(im.Name, "__gnu_lto") {
				continue
			}
			v.Log = append(v.Log, l.name+": please compile with -fno-common")
			v.reason(true, KindFile, im.Name, "compile it with -fno-common", "%s is a common symbol", im.Name)
			failed = syscall.ENOEXEC
			continue
		}
		if l.ignored(im.Name) {
			continue
		}
		s, answer := k.lookup(im.Name)
		if answer == Unknown {
			l.unsureOf("that the kernel exports %s", im.Name)
			continue
		}
		if answer == Found && s.Owner != Core && !slices.Contains(v.Needs, s.Owner) {
			v.Needs = append(v.Needs, s.Owner)
		}
		var errno syscall.Errno
		switch {
		case answer == Absent && im.Weak:
			continue
		case answer == Absent:
			l.missing(im.Name)
			errno = syscall.ENOENT
		case s.GPL && proprietary:
			name, _ := l.m.licence()
			v.reason(true, KindLicence, im.Name, "only a module with a GPL-compatible licence may use it", "%s is exported to GPL modules only, and the module's licence is %q", im.Name, name)
			if im.Weak {
				v.Reasons = v.Reasons[:len(v.Reasons)-1]
				continue
			}
			errno = syscall.ENOENT
		default:
			gplUsed = gplUsed || s.GPL
			errno = l.use(s)
		}
		if errno != 0 {
			failed = errno
			v.Log = append(v.Log, fmt.Sprintf("%s: Unknown symbol %s (err %d)", l.name, im.Name, -int(errno)))
		}
	}
	if failed != 0 {
		v.Outcome, v.Errno = Fails, failed
		return false
	}
	v.Outcome = Loads
	return true
}

// ignored are undefined symbols that the kernel defines itself.
func (l *loader) ignored(name string) bool {
	switch l.k.Machine {
	case emX8664, em386:
		return name == "_GLOBAL_OFFSET_TABLE_"
	case emPPC64:
		return name == ".TOC." || name == "TOC."
	}
	return false
}

// missing says who would provide a symbol.
func (l *loader) missing(name string) {
	advice := "this kernel has no such symbol: the module needs another kernel or other sources"
	if _, inTree := l.m.Field("intree"); !inTree {
		advice += ", or a module from elsewhere that exports it: name that one, too"
	}
	if l.k.Provider != nil {
		if owner := l.k.Provider(name); owner != "" {
			advice = "load " + owner + " first, which exports it (modprobe does)"
		}
	}
	if i := strings.LastIndex(name, "_R"); i > 0 && len(name)-i >= 8 && strings.Trim(name[i+2:], "0123456789abcdef") == "" {
		advice = "the name ends as in kernel 2.4: this is no module for a kernel of today"
	}
	l.v.reason(true, KindMissing, name, advice, "nobody exports %s", name)
}

// unsureCRC is said of symbols whose CRC is not known.
const unsureCRC = "the kernel's CRC of %s"

// use checks version and namespace of a symbol that was found. The errno is 0 if the module may use it.
func (l *loader) use(s Symbol) syscall.Errno {
	k, v := l.k, l.v
	if s.Owner == Core && !k.Core.CRCs {
		l.unsureOf(unsureCRC, s.Name)
	} else if was := v.Outcome; !l.version(s, syscall.EINVAL) {
		if l.k.Features.ForceLoad == No && !l.hasTable() {
			return syscall.ENOEXEC
		}
		v.Outcome, v.Errno = was, 0 // the other symbols are looked at too
		return syscall.EINVAL
	}
	if s.Owner == Core && !k.Core.Licences {
		if name, gpl := l.m.licence(); !gpl {
			l.unsureOf("that the kernel lets a module with the licence "+strconv.Quote(name)+" use %s", s.Name)
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
	line := fmt.Sprintf("%s: module uses symbol (%s) from namespace %s, but does not import it.", l.name, s.Name, s.Namespace)
	advice := fmt.Sprintf("add MODULE_IMPORT_NS(%q) to the module's source (without the quotes before 6.13)", s.Namespace)
	fatal := k.Features.Namespaces != No
	v.reason(fatal, KindNamespace, s.Name, advice, "%s is in namespace %s, which the module does not import", s.Name, s.Namespace)
	v.Log = append(v.Log, line)
	if fatal {
		return syscall.EINVAL
	}
	return 0
}

// imports tells whether the module may use a namespace: it names it or, from 6.16 on, the namespace names the module.
func (l *loader) imports(ns string) bool {
	list, special := strings.CutPrefix(ns, "module:")
	if special && atLeast(l.k.Release, 6, 16) {
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

// duplicates refuses exports that somebody else has: the kernel, or a module that has to be loaded before this one. What another
// module exports is only in the way while that one is loaded.
func (l *loader) duplicates() bool {
	for _, e := range l.m.Exports {
		s, answer := l.k.lookup(e.Name)
		if answer != Found || s.Owner == l.m.Name {
			continue
		}
		owner := s.Owner
		if owner == Core {
			owner = "kernel"
		} else if !slices.Contains(l.v.Needs, owner) {
			l.v.reason(false, KindDuplicate, e.Name, "", "it exports %s, as %s does: only one of them can be loaded", e.Name, owner)
			continue
		}
		l.v.reason(true, KindDuplicate, e.Name, "it is in the kernel already, or is not to be loaded beside "+owner, "it exports %s, which %s exports too", e.Name, owner)
		l.v.fail(syscall.ENOEXEC, fmt.Sprintf("%s: exports duplicate symbol %s (owned by %s)", l.name, e.Name, owner))
		return false
	}
	return true
}

// structOffsets warns of a struct module that is not this kernel's, where the loader does not look.
func (l *loader) structOffsets() {
	k, m := l.k.This, l.m
	if k.Size == 0 || m.Size == 0 {
		return
	}
	bad := func(a, b int64) bool { return a >= 0 && b >= 0 && a != b }
	if k.Size != m.Size || bad(k.Init, m.Init) || bad(k.Exit, m.Exit) {
		l.v.reason(false, KindLayout, "", "do not load it: rebuild it against the headers of "+l.k.Release,
			"struct module is not this kernel's (%d bytes, init at %d, exit at %d; the kernel has %d, %d, %d): the kernel may jump to a wild address",
			m.Size, m.Init, m.Exit, k.Size, k.Init, k.Exit)
		l.v.unknown("what the kernel does with another layout of struct module")
	}
}

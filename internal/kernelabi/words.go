package kernelabi

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
)

// A sentence is a line that the loader of some kernel prints. Which of them a kernel has, and how it words them, is read out of its
// image: kernels differ, and a distribution's may have those of a later one.
type sentence int

const (
	sayHeaderLen sentence = iota
	sayMagic
	sayType
	sayMachine
	sayHeaderSize
	sayTablePlace
	sayNamesIndex
	sayNamesPlace
	sayNamesType
	sayNoNames
	sayNamesEnd
	sayZero
	sayPlace
	sayName
	sayLink
	sayStringsType
	sayStructures
	sayOneInfo
	sayOneThis
	sayThisEmpty
	sayThisAlloc
	sayThisSize
	sayStripped
	sayNoThis
	sayBlacklisted
	sayForced
	sayDisagrees
	sayNoVersion
	sayNoExtVersion
	sayVermagic
	sayNoLivepatch
	sayOutOfTree
	sayRetpoline
	sayStaging
	sayLivepatch
	sayLicence
	sayLicenceAgain
	sayTest
	sayUnverified
	sayRejected
	sayCommon
	sayUnknown
	sayNamespace
	sayModuleNamespace
	sayDuplicate
	sayGPLOnly
	sayInherits
	sayNoPerCPU
	sayObsoleteGPL
	sayObsoleteCRCs
	sayNoFlags
	sayInSysfs
	sentences // how many there are
)

// wording is what a sentence is found by in an image, and the format that it has there in kernels of today.
var wording = [sentences]struct {
	core   string // words that tell it from others, whatever stands around them
	format string
	common bool // kernels without an image are taken to have it: all since 5.4 do, worded like this
}{
	sayHeaderLen:  {core: "Invalid ELF header len", format: "Invalid ELF header len %lu"},
	sayMagic:      {core: "Invalid ELF header magic", format: "Invalid ELF header magic: != %s"},
	sayType:       {core: "Invalid ELF header type", format: "Invalid ELF header type: %u != %u"},
	sayMachine:    {core: "Invalid architecture in ELF header", format: "Invalid architecture in ELF header: %u"},
	sayHeaderSize: {core: "Invalid ELF section header size", format: "Invalid ELF section header size"},
	sayTablePlace: {core: "Invalid ELF section header overflow", format: "Invalid ELF section header overflow"},
	sayNamesIndex: {core: "Invalid ELF section name index",
		format: "Invalid ELF section name index: %d || e_shstrndx (%d) >= e_shnum (%d)"},
	sayNamesPlace: {core: "Invalid ELF section hdr", format: "Invalid ELF section hdr(type %u)"},
	sayNamesType:  {core: "Invalid ELF section name table type", format: "Invalid ELF section name table type: %u"},
	sayNoNames:    {core: "empty section name table", format: "empty section name table"},
	sayNamesEnd: {core: "section name table isn't null terminated",
		format: "ELF Spec violation: section name table isn't null terminated"},
	sayZero: {core: "ELF Spec violation: section 0",
		format: "ELF Spec violation: section 0 type(%d)!=SH_NULL or non-zero len or addr"},
	sayPlace: {core: "Invalid ELF section in module", format: "Invalid ELF section in module (section %u type %u)"},
	sayName:  {core: "Invalid ELF section name in module", format: "Invalid ELF section name in module (section %u type %u)"},
	sayLink: {core: "Invalid ELF sh_link!=",
		format: "Invalid ELF sh_link!=SHN_UNDEF(%d) or (sh_link(%d) >= hdr->e_shnum(%d)"},
	sayStringsType: {core: "Invalid ELF symbol string table type", format: "Invalid ELF symbol string table type: %u"},
	sayStructures:  {core: "Module has invalid ELF structures", format: "Module has invalid ELF structures"},
	sayOneInfo:     {core: "one .modinfo section must exist", format: "Only one .modinfo section must exist."},
	sayOneThis: {core: "one .gnu.linkonce.this_module section must exist",
		format: "module %s: Exactly one .gnu.linkonce.this_module section must exist."},
	sayThisEmpty: {core: ".gnu.linkonce.this_module section must have a size",
		format: "module %s: .gnu.linkonce.this_module section must have a size set"},
	sayThisAlloc: {core: ".gnu.linkonce.this_module must occupy memory",
		format: "module %s: .gnu.linkonce.this_module must occupy memory during process execution"},
	sayThisSize: {core: ".gnu.linkonce.this_module section size must match",
		format: "module %s: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time"},
	sayStripped:     {core: "module has no symbols (stripped?)", format: "%s: module has no symbols (stripped?)", common: true},
	sayNoThis:       {core: "No module found in object", format: "%s: No module found in object"},
	sayBlacklisted:  {core: "Module %s is blacklisted", format: "Module %s is blacklisted"},
	sayForced:       {core: "%s: %s: kernel tainted.", format: "%s: %s: kernel tainted.", common: true},
	sayDisagrees:    {core: "disagrees about version of symbol", format: "%s: disagrees about version of symbol %s", common: true},
	sayNoVersion:    {core: "no symbol version for", format: "%s: no symbol version for %s", common: true},
	sayNoExtVersion: {core: "no extended symbol version for", format: "%s: no extended symbol version for %s"},
	sayVermagic:     {core: "version magic '%s' should be", format: "%s: version magic '%s' should be '%s'", common: true},
	sayNoLivepatch: {core: "livepatch support is disabled",
		format: "%s: module is marked as livepatch module, but livepatch support is disabled", common: true},
	sayOutOfTree: {core: "loading out-of-tree module taints", format: "%s: loading out-of-tree module taints kernel.", common: true},
	sayRetpoline: {core: "loading module not compiled with retpoline",
		format: "%s: loading module not compiled with retpoline compiler."},
	sayStaging: {core: "module is from the staging directory",
		format: "%s: module is from the staging directory, the quality is unknown, you have been warned.", common: true},
	sayLivepatch:    {core: "tainting kernel with TAINT_LIVEPATCH", format: "%s: tainting kernel with TAINT_LIVEPATCH"},
	sayLicence:      {core: "module license '%s' taints kernel", format: "%s: module license '%s' taints kernel.", common: true},
	sayLicenceAgain: {core: "module license taints kernel", format: "%s: module license taints kernel."},
	sayTest:         {core: "loading test module taints kernel", format: "%s: loading test module taints kernel."},
	sayUnverified: {core: "module verification failed: signature",
		format: "%s: module verification failed: signature and/or required key missing - tainting kernel", common: true},
	sayRejected: {core: "Loading of %s is rejected", format: "Loading of %s is rejected", common: true},
	sayCommon:   {core: "please compile with -fno-common", format: "%s: please compile with -fno-common", common: true},
	sayUnknown:  {core: "Unknown symbol %s (err", format: "%s: Unknown symbol %s (err %d)", common: true},
	sayNamespace: {core: "module uses symbol (%s) from namespace",
		format: "%s: module uses symbol (%s) from namespace %s, but does not import it.", common: true},
	sayModuleNamespace: {core: "tries to import module namespace", format: "%s: module tries to import module namespace: %s"},
	sayDuplicate:       {core: "exports duplicate symbol", format: "%s: exports duplicate symbol %s (owned by %s)", common: true},
	sayGPLOnly: {core: "module using GPL-only symbols uses",
		format: "%s: module using GPL-only symbols uses symbols %s from proprietary module %s."},
	sayInherits: {core: "inheriting taint",
		format: "%s: module uses symbols %s from proprietary module %s, inheriting taint."},
	sayNoPerCPU:     {core: "bytes percpu data", format: "%s: Could not allocate %lu bytes percpu data"},
	sayObsoleteGPL:  {core: "ignoring obsolete section __ksymtab_gpl", format: "%s: ignoring obsolete section __ksymtab_gpl"},
	sayObsoleteCRCs: {core: "ignoring obsolete section __kcrctab_gpl", format: "%s: ignoring obsolete section __kcrctab_gpl"},
	sayNoFlags:      {core: "no flags for exported symbols", format: "%s: no flags for exported symbols"},
	sayInSysfs:      {core: "%s: module is already loaded", format: "%s: module is already loaded", common: true},
}

// Words are the loader's sentences as a kernel has them.
type Words struct {
	Known   bool              // a kernel was read for them: it has no others
	formats [sentences]string // of C; "" for one that the kernel lacks
}

// nearby is how far from each other the loader's sentences mostly are.
const nearby = 1 << 20

// readWords finds the loader's sentences in a kernel's constants. They are not known if they are not where they should be.
func readWords(kernel []byte) (w Words, places [sentences]int) {
	at := bytes.Index(kernel, []byte(wording[sayVermagic].core))
	if at < 0 {
		return w, places
	}
	w.Known = true
	low, high := max(0, at-nearby), min(len(kernel), at+nearby)
	for s := range sentences {
		core := []byte(wording[s].core)
		at := bytes.Index(kernel[low:high], core)
		if at >= 0 {
			at += low
		} else {
			at = bytes.Index(kernel, core)
		}
		if places[s] = at; at >= 0 {
			w.formats[s] = formatAround(kernel, at)
		}
	}
	return w, places
}

// formatAround returns the line of a string of the kernel's in which at lies, without the level of the message.
func formatAround(kernel []byte, at int) string {
	const maxLine = 256 // twice what the loader prints
	from, to := at, at
	for from > 0 && at-from < maxLine && kernel[from-1] >= ' ' && kernel[from-1] < 0x7f {
		from--
	}
	if from > 0 && kernel[from-1] == 1 && from < at { // KERN_SOH, and the level
		from++
	}
	for to < len(kernel) && to-at < maxLine && kernel[to] >= ' ' && kernel[to] < 0x7f {
		to++
	}
	return string(kernel[from:to])
}

// has tells whether the kernel prints a sentence.
func (w *Words) has(s sentence) Tri {
	if !w.Known {
		return Maybe
	}
	return tri(w.formats[s] != "")
}

// line fills in a sentence. It is sure if the kernel has the sentence, and takes what it is filled with.
func (w *Words) line(s sentence, args []any) (line string, sure bool) {
	if !w.Known {
		line, _ = fillFormat(wording[s].format, args)
		return line, wording[s].common
	}
	if line, sure = fillFormat(w.formats[s], args); !sure {
		line, _ = fillFormat(wording[s].format, args)
	}
	return line, sure
}

// fillFormat does what the kernel's printf does with plain conversions. It is false if the format asks for something else, or for more or
// fewer arguments.
func fillFormat(format string, args []any) (string, bool) {
	var b strings.Builder
	for {
		text, rest, more := strings.Cut(format, "%")
		b.WriteString(text)
		if !more {
			return b.String(), len(args) == 0
		}
		rest = strings.TrimLeft(rest, "hlz")
		if rest == "" {
			return b.String(), false
		}
		verb := rest[0]
		format = rest[1:]
		switch {
		case verb == '%':
			b.WriteByte('%')
		case strings.IndexByte("sdiu", verb) >= 0 && len(args) > 0:
			fmt.Fprint(&b, args[0])
			args = args[1:]
		default:
			return b.String(), false
		}
	}
}

// takes counts what a sentence is filled with.
func (w *Words) takes(s sentence) int {
	if w.Known {
		return strings.Count(w.formats[s], "%")
	}
	return strings.Count(wording[s].format, "%")
}

// say adds a sentence to what the load prints: surely if the kernel has it, not at all if it does not.
func (l *loader) say(s sentence, args ...any) {
	words := &l.k.Words
	if words.has(s) == No {
		return
	}
	if line, sure := words.line(s, args); sure {
		l.v.Log = append(l.v.Log, line)
	} else {
		l.v.Maybe = append(l.v.Maybe, line)
	}
}

// fail ends the check: the load fails with errno, after this sentence in the log.
func (l *loader) fail(errno syscall.Errno, s sentence, args ...any) bool {
	l.say(s, args...)
	l.v.fail(errno)
	return false
}

// taint marks the kernel; the sentence is printed unless the mark was there before.
func (l *loader) taint(letter byte, why string, s sentence, args ...any) {
	if l.v.tainted(letter) {
		return
	}
	l.v.Taints = append(l.v.Taints, Taint{letter, why})
	if strings.IndexByte(l.k.Tainted, letter) < 0 {
		l.say(s, args...)
	}
}

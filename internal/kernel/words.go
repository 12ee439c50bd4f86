package kernel

import (
	"bytes"
	"fmt"
	"strings"
)

// A Sentence is a line that the loader of some kernel prints. Which of them a kernel has, and how it words them, is
// read out of its image: kernels differ, and a distribution's may have those of a later one.
type Sentence int

// The sentences, in about the order in which a loader may print them.
const (
	SayHeaderLen Sentence = iota
	SayMagic
	SayType
	SayMachine
	SayHeaderSize
	SayTablePlace
	SayNamesIndex
	SayNamesPlace
	SayNamesType
	SayNoNames
	SayNamesEnd
	SayZero
	SayPlace
	SayName
	SayLink
	SayStringsType
	SayStructures
	SayOneInfo
	SayOneThis
	SayThisEmpty
	SayThisAlloc
	SayThisSize
	SayStripped
	SayNoThis
	SayBlacklisted
	SayForced
	SayDisagrees
	SayNoVersion
	SayNoExtVersion
	SayVermagic
	SayNoLivepatch
	SayOutOfTree
	SayRetpoline
	SayStaging
	SayLivepatch
	SayLicence
	SayLicenceAgain
	SayTest
	SayUnverified
	SayRejected
	SayCommon
	SayUnknown
	SayNamespace
	SayModuleNamespace
	SayDuplicate
	SayGPLOnly
	SayInherits
	SayNoPerCPU
	SayObsoleteGPL
	SayObsoleteCRCs
	SayNoFlags
	SayREL
	SayRELA
	SayNonzero
	SayUnknownParam
	SayAfterDashes
	SayInvalidParam
	SayLargeParam
	SayLongString
	SayNoFit
	SayArrayFull
	SayDangerous
	SayInSysfs
	Sentences // how many there are
)

// wording is what a sentence is found by in an image, and the format that it has there in kernels of today.
var wording = [Sentences]struct {
	core   string // words that tell it from others, whatever stands around them
	format string
	common bool // kernels without an image are taken to have it: all since 5.4 do, worded like this
}{
	SayHeaderLen:  {core: "Invalid ELF header len", format: "Invalid ELF header len %lu"},
	SayMagic:      {core: "Invalid ELF header magic", format: "Invalid ELF header magic: != %s"},
	SayType:       {core: "Invalid ELF header type", format: "Invalid ELF header type: %u != %u"},
	SayMachine:    {core: "Invalid architecture in ELF header", format: "Invalid architecture in ELF header: %u"},
	SayHeaderSize: {core: "Invalid ELF section header size", format: "Invalid ELF section header size"},
	SayTablePlace: {core: "Invalid ELF section header overflow", format: "Invalid ELF section header overflow"},
	SayNamesIndex: {core: "Invalid ELF section name index",
		format: "Invalid ELF section name index: %d || e_shstrndx (%d) >= e_shnum (%d)"},
	SayNamesPlace: {core: "Invalid ELF section hdr", format: "Invalid ELF section hdr(type %u)"},
	SayNamesType:  {core: "Invalid ELF section name table type", format: "Invalid ELF section name table type: %u"},
	SayNoNames:    {core: "empty section name table", format: "empty section name table"},
	SayNamesEnd: {core: "section name table isn't null terminated",
		format: "ELF Spec violation: section name table isn't null terminated"},
	SayZero: {core: "ELF Spec violation: section 0",
		format: "ELF Spec violation: section 0 type(%d)!=SH_NULL or non-zero len or addr"},
	SayPlace: {core: "Invalid ELF section in module", format: "Invalid ELF section in module (section %u type %u)"},
	SayName: {core: "Invalid ELF section name in module",
		format: "Invalid ELF section name in module (section %u type %u)"},
	SayLink: {core: "Invalid ELF sh_link!=",
		format: "Invalid ELF sh_link!=SHN_UNDEF(%d) or (sh_link(%d) >= hdr->e_shnum(%d)"},
	SayStringsType: {core: "Invalid ELF symbol string table type",
		format: "Invalid ELF symbol string table type: %u"},
	SayStructures: {core: "Module has invalid ELF structures", format: "Module has invalid ELF structures"},
	SayOneInfo:    {core: "one .modinfo section must exist", format: "Only one .modinfo section must exist."},
	SayOneThis: {core: "one .gnu.linkonce.this_module section must exist",
		format: "module %s: Exactly one .gnu.linkonce.this_module section must exist."},
	SayThisEmpty: {core: ".gnu.linkonce.this_module section must have a size",
		format: "module %s: .gnu.linkonce.this_module section must have a size set"},
	SayThisAlloc: {core: ".gnu.linkonce.this_module must occupy memory",
		format: "module %s: .gnu.linkonce.this_module must occupy memory during process execution"},
	SayThisSize: {core: ".gnu.linkonce.this_module section size must match",
		format: "module %s: .gnu.linkonce.this_module section size must match the kernel's built struct " +
			"module size at run time"},
	SayStripped: {core: "module has no symbols (stripped?)", format: "%s: module has no symbols (stripped?)",
		common: true},
	SayNoThis:      {core: "No module found in object", format: "%s: No module found in object"},
	SayBlacklisted: {core: "Module %s is blacklisted", format: "Module %s is blacklisted"},
	SayForced:      {core: "%s: %s: kernel tainted.", format: "%s: %s: kernel tainted.", common: true},
	SayDisagrees: {core: "disagrees about version of symbol", format: "%s: disagrees about version of symbol %s",
		common: true},
	SayNoVersion:    {core: "no symbol version for", format: "%s: no symbol version for %s", common: true},
	SayNoExtVersion: {core: "no extended symbol version for", format: "%s: no extended symbol version for %s"},
	SayVermagic: {core: "version magic '%s' should be", format: "%s: version magic '%s' should be '%s'",
		common: true},
	SayNoLivepatch: {core: "livepatch support is disabled",
		format: "%s: module is marked as livepatch module, but livepatch support is disabled", common: true},
	SayOutOfTree: {core: "loading out-of-tree module taints",
		format: "%s: loading out-of-tree module taints kernel.", common: true},
	SayRetpoline: {core: "loading module not compiled with retpoline",
		format: "%s: loading module not compiled with retpoline compiler."},
	SayStaging: {core: "module is from the staging directory",
		format: "%s: module is from the staging directory, the quality is unknown, you have been warned.",
		common: true},
	SayLivepatch: {core: "tainting kernel with TAINT_LIVEPATCH",
		format: "%s: tainting kernel with TAINT_LIVEPATCH"},
	SayLicence: {core: "module license '%s' taints kernel", format: "%s: module license '%s' taints kernel.",
		common: true},
	SayLicenceAgain: {core: "module license taints kernel", format: "%s: module license taints kernel."},
	SayTest:         {core: "loading test module taints kernel", format: "%s: loading test module taints kernel."},
	SayUnverified: {core: "module verification failed: signature",
		format: "%s: module verification failed: signature and/or required key missing - tainting kernel",
		common: true},
	SayRejected: {core: "Loading of %s is rejected", format: "Loading of %s is rejected", common: true},
	SayCommon: {core: "please compile with -fno-common", format: "%s: please compile with -fno-common",
		common: true},
	SayUnknown: {core: "Unknown symbol %s (err", format: "%s: Unknown symbol %s (err %d)", common: true},
	SayNamespace: {core: "module uses symbol (%s) from namespace",
		format: "%s: module uses symbol (%s) from namespace %s, but does not import it.", common: true},
	SayModuleNamespace: {core: "tries to import module namespace",
		format: "%s: module tries to import module namespace: %s"},
	SayDuplicate: {core: "exports duplicate symbol", format: "%s: exports duplicate symbol %s (owned by %s)",
		common: true},
	SayGPLOnly: {core: "module using GPL-only symbols uses",
		format: "%s: module using GPL-only symbols uses symbols %s from proprietary module %s."},
	SayInherits: {core: "inheriting taint",
		format: "%s: module uses symbols %s from proprietary module %s, inheriting taint."},
	SayNoPerCPU: {core: "bytes percpu data", format: "%s: Could not allocate %lu bytes percpu data"},
	SayObsoleteGPL: {core: "ignoring obsolete section __ksymtab_gpl",
		format: "%s: ignoring obsolete section __ksymtab_gpl"},
	SayObsoleteCRCs: {core: "ignoring obsolete section __kcrctab_gpl",
		format: "%s: ignoring obsolete section __kcrctab_gpl"},
	SayNoFlags: {core: "no flags for exported symbols", format: "%s: no flags for exported symbols"},
	SayREL:     {core: "%s: REL relocation unsupported", format: "module %s: REL relocation unsupported"},
	SayRELA:    {core: "%s: Unknown rela relocation", format: "module: %s: Unknown rela relocation: %llu"},
	SayNonzero: {core: "relocation target, existing value is nonzero",
		format: "x86/modules: Invalid relocation target, existing value is nonzero for type %d, loc %p, val %Lx"},
	SayUnknownParam: {core: "unknown parameter '%s' ignored", format: "%s: unknown parameter '%s' ignored", common: true},
	SayAfterDashes:  {core: "after `--' ignored", format: "%s: parameters '%s' after `--' ignored", common: true},
	SayInvalidParam: {core: "invalid for parameter", format: "%s: `%s' invalid for parameter `%s'", common: true},
	SayLargeParam:   {core: "too large for parameter", format: "%s: `%s' too large for parameter `%s'", common: true},
	SayLongString:   {core: "string parameter too long", format: "%s: string parameter too long", common: true},
	SayNoFit:        {core: "string doesn't fit in", format: "%s: string doesn't fit in %u chars.", common: true},
	SayArrayFull:    {core: "can only take %i arguments", format: "%s: can only take %i arguments", common: true},
	SayDangerous:    {core: "Setting dangerous option", format: "Setting dangerous option %s - tainting kernel", common: true},
	SayInSysfs:      {core: "%s: module is already loaded", format: "%s: module is already loaded", common: true},
}

// Words are the loader's sentences as a kernel has them.
type Words struct {
	Known   bool              // a kernel was read for them: it has no others
	formats [Sentences]string // of C; "" for one that the kernel lacks
}

// nearby is how far from each other the loader's sentences mostly are.
const nearby = 1 << 20

// ReadWords finds the loader's sentences in a kernel's constants. They are not known if they are not where they
// should be.
func ReadWords(kernel []byte) (w Words, places [Sentences]int) {
	at := bytes.Index(kernel, []byte(wording[SayVermagic].core))
	if at < 0 {
		return w, places
	}
	w.Known = true
	low, high := max(0, at-nearby), min(len(kernel), at+nearby)
	for s := range Sentences {
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

// Has tells whether the kernel prints a sentence.
func (w *Words) Has(s Sentence) Tri {
	if !w.Known {
		return Maybe
	}
	return tri(w.formats[s] != "")
}

// Line fills in a sentence. It is sure if the kernel has the sentence, and takes what it is filled with.
func (w *Words) Line(s Sentence, args []any) (line string, sure bool) {
	if !w.Known {
		line, _ = fillFormat(wording[s].format, args)
		return line, wording[s].common
	}
	if line, sure = fillFormat(w.formats[s], args); !sure {
		line, _ = fillFormat(wording[s].format, args)
	}
	return line, sure
}

// fillFormat does what the kernel's printf does with plain conversions. It is false if the format asks for something
// else, or for more or fewer arguments.
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

// Takes counts what a sentence is filled with.
func (w *Words) Takes(s Sentence) int {
	if w.Known {
		return strings.Count(w.formats[s], "%")
	}
	return strings.Count(wording[s].format, "%")
}

// Format returns a sentence as kernels of today have it.
func (s Sentence) Format() string { return wording[s].format }

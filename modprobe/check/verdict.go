package check

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/errno"
)

// Kind says what a [Finding] is about.
type Kind string

// The kinds of findings.
const (
	KindFile      Kind = "file"       // the file is damaged or not for this machine
	KindSignature Kind = "signature"  // the signature
	KindVermagic  Kind = "vermagic"   // a field of vermagic
	KindLayout    Kind = "layout"     // struct module or module_layout
	KindVersion   Kind = "version"    // the CRC of a symbol differs
	KindNoVersion Kind = "no version" // the module has no CRC for a symbol, or none at all
	KindMissing   Kind = "missing"    // nobody exports a symbol
	KindLicence   Kind = "licence"    // a symbol is for GPL modules only
	KindNamespace Kind = "namespace"  // a symbol's namespace is not imported
	KindDuplicate Kind = "duplicate"  // a symbol is exported already
	KindTypes     Kind = "types"      // the types in BTF that the module brings
	KindParameter Kind = "parameter"  // a parameter that the module is given
	KindState     Kind = "state"      // the running kernel refuses it in its present state
	KindForce     Kind = "force"      // what a forced load ignores, or that the kernel allows none
)

// hopeless reports whether the load fails for something that no flag makes the kernel ignore.
func (f Finding) hopeless() bool {
	switch f.Kind {
	case KindVermagic, KindVersion, KindNoVersion, KindTypes, KindParameter, KindState:
		return false
	case KindLayout:
		return f.Fatal && f.Symbol == ""
	}
	return f.Fatal
}

// reason adds a finding; format and args make its text.
func (v *Verdict) reason(fatal bool, kind Kind, symbol, advice, format string, args ...any) {
	v.Findings = append(v.Findings, Finding{kind, fatal, symbol, fmt.Sprintf(format, args...), advice})
}

// fail ends the check: the load fails with errno.
func (v *Verdict) fail(errno syscall.Errno) {
	v.Outcome, v.Errno = Fails, errno
}

// unknown adds what could not be verified.
func (v *Verdict) unknown(format string, args ...any) {
	v.NotVerified = append(v.NotVerified, fmt.Sprintf(format, args...))
}

// tainted reports whether the load sets a taint flag.
func (v *Verdict) tainted(letter string) bool {
	return slices.ContainsFunc(v.Taints, func(t Taint) bool { return t.Letter == letter })
}

// Outcome is the answer of a kernel to a module, in one word.
type Outcome string

// The outcomes.
const (
	// Loads means that the kernel accepts the module.
	Loads Outcome = "LOADS"
	// LoadsTaints means that it accepts the module and sets a taint flag.
	LoadsTaints Outcome = "TAINTS"
	// Unknown means that nothing was found against the module, but not everything could be verified.
	Unknown Outcome = "UNKNOWN"
	// Fails means that it refuses the module.
	Fails Outcome = "FAILS"
	// BuiltIn means that the module is a part of the kernel: there is nothing to load.
	BuiltIn Outcome = "BUILT IN"
)

// Verdict is what a kernel will answer to a module, up to the module's own init function. As JSON it is what modprobe
// --check --json prints; docs/json.md has a sample.
type Verdict struct {
	// Module is the module's name.
	Module string `json:"module"`
	// Path is its file.
	Path string `json:"path,omitempty"`
	// Release is the kernel's.
	Release string `json:"release,omitempty"`
	// Outcome is the answer.
	Outcome Outcome `json:"outcome"`
	// Errno is the error of a load that fails.
	Errno syscall.Errno `json:"errno,omitempty"`
	// Error is Errno in words, as strerror(3) has them.
	Error string `json:"error,omitempty"`
	// Log holds the lines that the kernel's loader prints, in their order.
	Log []string `json:"log,omitempty"`
	// MayLog holds lines that it may print, depending on the machine.
	MayLog []string `json:"may_log,omitempty"`
	// Taints are the taint flags that the load sets; most loads that fail set them as well.
	Taints []Taint `json:"taints"`
	// Findings are the reasons, the most important first.
	Findings []Finding `json:"findings"`
	// NotVerified lists what could not be verified.
	NotVerified []string `json:"not_verified,omitempty"`
	// Needs names the modules that have to be loaded first.
	Needs []string `json:"needs,omitempty"`
	// Steps are the loads that modprobe makes besides, in their order: what the module needs, and its softdeps. What is
	// loaded already, or judged by itself, is not among them.
	Steps []Step `json:"steps,omitempty"`
	// Notes say what else is known: loaded already, blacklisted, forbidden.
	Notes []string `json:"notes,omitempty"`
	// Source says where the kernel's exports were read from.
	Source string `json:"source,omitempty"`
	// Changes say what differs from the kernel the module was built for, if it fails for that, or is forced.
	Changes *Changes `json:"changes,omitempty"`

	// Ignored says what Options.Flags make the kernel ignore.
	Ignored []string `json:"-"`
	// Hopeless is set if forcing cannot help: the load fails for a reason no flag overrides.
	Hopeless bool `json:"-"`
}

// Taint is a taint flag that a load sets in the kernel.
type Taint struct {
	// Letter is the kernel's letter for it, for instance "E".
	Letter string `json:"letter"`
	// Why says what sets it.
	Why string `json:"why"`
}

// Finding is one thing that a check found.
type Finding struct {
	// Kind is what it is about.
	Kind Kind `json:"kind"`
	// Fatal is set if the load fails because of it.
	Fatal bool `json:"fatal"`
	// Symbol is the symbol it is about; empty for none.
	Symbol string `json:"symbol,omitempty"`
	// Text says what was found.
	Text string `json:"text"`
	// Advice says what to do about it; empty if an earlier finding says it already.
	Advice string `json:"advice,omitempty"`
}

// complete sets Error, and the lists that are [] in JSON when they are empty, not null.
func (v *Verdict) complete() {
	if v.Errno != 0 {
		v.Error = errno.Text(v.Errno)
	}
	if v.Taints == nil {
		v.Taints = []Taint{}
	}
	if v.Findings == nil {
		v.Findings = []Finding{}
	}
}

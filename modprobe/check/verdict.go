package check

import (
	"fmt"
	"slices"
	"syscall"
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
	KindState     Kind = "state"      // the running kernel does not take it now
	KindForce     Kind = "force"      // what is ignored, or that the kernel does not let itself be forced
)

// hopeless reports whether the load fails for something else than what flags make the kernel ignore.
func (f Finding) hopeless() bool {
	switch f.Kind {
	case KindVermagic, KindVersion, KindNoVersion, KindTypes, KindParameter, KindState:
		return false
	case KindLayout:
		return f.Fatal && f.Symbol == ""
	}
	return f.Fatal
}

// reason adds a finding.
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

// tainted reports whether the load leaves a mark.
func (v *Verdict) tainted(letter string) bool {
	return slices.ContainsFunc(v.Taints, func(t Taint) bool { return t.Letter == letter })
}

package kernel

import (
	"fmt"
	"slices"
	"syscall"
)

// An Outcome is the answer in one word.
type Outcome int

// The outcomes, from best to worst; NotKnown is between.
const (
	Loads    Outcome = iota // the loader accepts the module
	Taints                  // it does, and the kernel is tainted
	NotKnown                // nothing speaks against it, but something could not be verified
	Fails                   // it does not
)

// String returns LOADS, "LOADS, TAINTS", UNKNOWN or FAILS.
func (o Outcome) String() string {
	switch o {
	case Loads:
		return "LOADS"
	case Taints:
		return "LOADS, TAINTS"
	case NotKnown:
		return "UNKNOWN"
	case Fails:
		return "FAILS"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// A Kind says what a reason is about.
type Kind string

// The kinds of reasons.
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
	KindState     Kind = "state"      // the running kernel does not take it now
	KindForce     Kind = "force"      // what is ignored, or that the kernel does not let itself be forced
)

// A Reason is one finding.
type Reason struct {
	Kind   Kind   // what it is about
	Fatal  bool   // the load fails for it
	Symbol string // the symbol it is about, or ""
	Text   string // what was found
	Advice string // what to do; "" if it has been said by an earlier reason
}

// A Taint is a mark that a load leaves in the kernel.
type Taint struct {
	Letter byte   // as in /proc/sys/kernel/tainted's letters: O, E, P, F, C, K, N
	Why    string // in words
}

// A Verdict is what a kernel will answer to a module.
type Verdict struct {
	Outcome Outcome       // the answer
	Errno   syscall.Errno // what finit_module returns, if it fails
	Log     []string      // lines that the loader prints, in order, without level and time
	Maybe   []string      // lines that it prints or not, depending on the machine
	Taints  []Taint
	Reasons []Reason // the most important first
	Unknown []string // what could not be verified
	Needs   []string // modules that export what it imports, in the order of first use
	Ignored []string // what forcing passes over
}

//
//go:noinline
func (v *Verdict) reason(fatal bool, kind Kind, symbol, advice, format string, args ...any) {
	v.Reasons = append(v.Reasons, Reason{kind, fatal, symbol, fmt.Sprintf(format, args...), advice})
}

// fail ends the check: the load fails with errno.
func (v *Verdict) fail(errno syscall.Errno) {
	v.Outcome, v.Errno = Fails, errno
}

//
//go:noinline
func (v *Verdict) unknown(format string, args ...any) {
	v.Unknown = append(v.Unknown, fmt.Sprintf(format, args...))
}

// tainted tells whether the load leaves a mark.
func (v *Verdict) tainted(letter byte) bool {
	return slices.ContainsFunc(v.Taints, func(t Taint) bool { return t.Letter == letter })
}

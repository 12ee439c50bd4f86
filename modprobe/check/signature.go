package check

import (
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Verify verifies the signatures of modules in parallel. The results are kept for [target.Check], until [target.Use]
// sets other keys.
func (k *target) Verify(modules []*kernel.Module) {
	found := make([]kernel.SigFinding, len(modules))
	var each sync.WaitGroup
	for i, m := range modules {
		each.Go(func() { found[i] = k.Judge(m) })
	}
	each.Wait()
	k.verified = make(map[*kernel.Module]kernel.SigFinding, len(modules))
	for i, m := range modules {
		k.verified[m] = found[i]
	}
}

// signature returns what is known of a module's signature.
func (k *target) signature(m *kernel.Module) kernel.SigFinding {
	if found, ok := k.verified[m]; ok {
		return found
	}
	return k.Judge(m)
}

// signature is module_sig_check: it comes before anything else, but for some kernels between 4.19 and 5.10.
func (l *loader) signature() bool {
	k, v := l.k, l.v
	if k.Features.Signatures == kernel.No {
		l.sig = kernel.SigValid
		return true
	}
	var found kernel.SigFinding
	if l.flags&(modprobe.IgnoreModversions|modprobe.IgnoreVermagic) == 0 {
		found = k.signature(l.m)
		l.sig = found.State
	}
	if found.Line != "" {
		v.Log = append(v.Log, found.Line)
	}
	if found.MayLog != "" {
		v.MayLog = append(v.MayLog, found.MayLog)
	}
	var what string
	switch l.sig {
	case kernel.SigNone:
		what = "unsigned module"
	case kernel.SigUnsupported:
		what = "module with unsupported crypto"
	case kernel.SigUnknownKey:
		what = "module with unavailable key"
	default:
		return l.judged(found)
	}
	switch {
	case l.enforced():
		l.signatureAdvice(what)
		if k.Words.Has(kernel.SayRejected) == kernel.No {
			v.fail(errno.ENOKEY) // without a word, up to 5.3
			return false
		}
		return l.fail(errno.EKEYREJECTED, kernel.SayRejected, what)
	case k.Lockdown:
		l.signatureAdvice(what)
		v.fail(syscall.EPERM)
		v.MayLog = append(v.MayLog, "Lockdown: modprobe: unsigned module loading is restricted; "+
			"see man kernel_lockdown.7")
		return false
	}
	return true
}

// judged decides about a signature that counts even where the kernel does not require one. It returns false if the load
// fails.
func (l *loader) judged(found kernel.SigFinding) bool {
	v := l.v
	fails := func(e syscall.Errno, advice, text string) bool {
		v.reason(true, KindSignature, "", advice, "%s", text)
		v.fail(e)
		return false
	}
	const (
		again = "sign it again after every change (scripts/sign-file), or take the signature off " +
			"(strip --strip-debug, or cut the trailer)"
		anew   = "take the damaged signature off and sign it again"
		broken = "the signature does not fit the module: the file was changed after it was signed"
	)
	damaged := "the signature at the end of the file, or its description, is damaged: " + found.Why
	switch found.State {
	case kernel.SigValid:
		return true
	case kernel.SigBroken:
		if found.Why != "" {
			return fails(errno.EKEYREJECTED, again, "the kernel does not take the signature: "+found.Why)
		}
		return fails(errno.EKEYREJECTED, again, broken)
	case kernel.SigMisfit:
		if l.enforced() {
			v.MayLog = append(v.MayLog, "Loading of module with unavailable key is rejected")
			return fails(errno.EKEYREJECTED, again, broken)
		}
	case kernel.SigBadTrailer:
		return fails(syscall.EBADMSG, anew, damaged)
	case kernel.SigWrong:
		return fails(syscall.EINVAL, anew, damaged)
	case kernel.SigTooLong:
		return fails(syscall.EMSGSIZE, anew, damaged)
	case kernel.SigEnrolled:
		if !l.enforced() && !l.k.Lockdown {
			return true
		}
	}
	v.unknown("whether the kernel takes the signature%s: %s", l.signer(), found.Why)
	return true
}

// signer names who signed the module, if that can be read.
func (l *loader) signer() string {
	if s := l.m.Signature.Signer; s != nil && s.Issuer != "" {
		return fmt.Sprintf(" by %q", s.Issuer)
	}
	return ""
}

// enforced tells whether unsigned modules are refused.
func (l *loader) enforced() bool { return l.k.Enforce || l.k.Features.SignEnforce == kernel.Yes }

// signatureAdvice adds the finding for a module that counts as unsigned, where the kernel requires signatures.
func (l *loader) signatureAdvice(what string) {
	text := "the kernel demands signatures and this is an " + what
	if strings.HasPrefix(what, "module") {
		text = "the kernel demands signatures and this is a " + what
	}
	if l.flags != 0 {
		text += ": a forced load counts as unsigned"
	}
	l.v.reason(true, KindSignature, "",
		"sign the module with a key that the kernel knows (enrol your own with mokutil --import), "+
			"or turn Secure Boot off", "%s", text)
}

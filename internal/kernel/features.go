package kernel

import (
	"bytes"
	"strings"
)

// Tri is a fact that may be unknown.
type Tri int8

// The three values of a Tri; the zero value is Maybe.
const (
	Maybe Tri = iota
	Yes
	No
)

func tri(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// Features are build options that decide what the loader does.
type Features struct {
	ForceLoad   Tri // CONFIG_MODULE_FORCE_LOAD: a load may be forced
	Signatures  Tri // CONFIG_MODULE_SIG: signatures are looked at
	Versions    Tri // CONFIG_MODVERSIONS: CRCs are compared
	SizeCheck   Tri // the size of struct module is compared
	Namespaces  Tri // an import from a namespace that is not named fails (No: is only warned about)
	Strict      Tri // an import without a version entry fails (No: is warned about once)
	Livepatch   Tri // CONFIG_LIVEPATCH
	Retpoline   Tri // a module without retpolines is warned about
	SignEnforce Tri // CONFIG_MODULE_SIG_FORCE: unsigned modules are refused

	LicenceAgain Tri // the first module with a licence that taints is told of in a second line

	TypesRead   Tri // CONFIG_DEBUG_INFO_BTF_MODULES: the types that a module brings are looked at
	TypesDecide Tri // a module whose types are not right is refused: CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set
}

// features tells options by the sentences that the loader is built with, and by where they stand. What neither shows
// stays Maybe.
func features(kernel []byte, banner, release string) (f Features, w Words) {
	w, places := ReadWords(kernel)
	if !w.Known {
		return f, w
	}
	has := func(s string) bool { return bytes.Contains(kernel, []byte(s)) }
	f.ForceLoad = w.Has(SayForced)
	f.Signatures = tri(w.Has(SayUnverified) == Yes || w.Has(SayRejected) == Yes)
	f.Versions = w.Has(SayDisagrees)
	f.SizeCheck = w.Has(SayThisSize)
	f.Livepatch = tri(w.Has(SayLivepatch) == Yes || has("livepatch module"))
	f.Retpoline = w.Has(SayRetpoline)
	switch at := places[SayNamespace]; {
	case at < 0:
		f.Namespaces = No
	case at >= len(levelOf) && bytes.HasSuffix(kernel[:at], []byte("\x013"+levelOf)):
		f.Namespaces = Yes
	case at >= len(levelOf) && bytes.HasSuffix(kernel[:at], []byte("\x014"+levelOf)):
		f.Namespaces = No
	}
	typeSentences(&f, has, release)
	// The sentences of one file of the kernel's source stand in its order. Since the second line about the licence
	// stands with the marks that a load leaves, it is printed; before, it was for two modules that the kernel knew
	// by name.
	again, obsolete := places[SayLicenceAgain], bytes.Index(kernel, []byte("%s: Ignoring obsolete parameters"))
	if again >= 0 && obsolete >= 0 {
		f.LicenceAgain = tri(again < obsolete)
	}
	// No image can tell whether an import without a version is refused: the sentence is the same, and what follows
	// it is code. All kernels up to 4.8 refuse it, and Debian's, by a change of its own.
	switch {
	case !AtLeast(release, 4, 9), strings.Contains(banner, "debian-kernel@lists.debian.org"):
		f.Strict = Yes
	case banner != "":
		f.Strict = No
	}
	return f, w
}

// typeSentences tells what the kernel does with the types of modules. One that goes on with what is wrong says that
// once, since 6.12 at the latest; one that does not says which module. Before, both say which.
func typeSentences(f *Features, has func(string) bool, release string) {
	switch {
	case has("module BTF mismatch detected"):
		f.TypesRead, f.TypesDecide = Yes, No
	case has("failed to validate module [%s] BTF"):
		if f.TypesRead = Yes; AtLeast(release, 6, 12) {
			f.TypesDecide = Yes
		}
	default:
		f.TypesRead = No
	}
}

// levelOf stands between the level of the message about a namespace and the words by which it is found.
const levelOf = "%s: "

// ReadConfig completes features by a kernel's configuration file. An option that is not mentioned is off.
func (f *Features) ReadConfig(config string) {
	if !strings.Contains(config, "CONFIG_MODULES=") {
		return
	}
	set := func(t *Tri, option string) {
		if *t == Maybe {
			*t = tri(strings.Contains(config, "\nCONFIG_"+option+"=y\n"))
		}
	}
	set(&f.ForceLoad, "MODULE_FORCE_LOAD")
	set(&f.Signatures, "MODULE_SIG")
	set(&f.Versions, "MODVERSIONS")
	set(&f.Livepatch, "LIVEPATCH")
	set(&f.SignEnforce, "MODULE_SIG_FORCE")
	set(&f.TypesRead, "DEBUG_INFO_BTF_MODULES")
	if f.TypesDecide == Maybe && strings.Contains(config, "CONFIG_MODULE_ALLOW_BTF_MISMATCH") {
		f.TypesDecide = tri(!strings.Contains(config, "\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n"))
	}
	if f.Namespaces == Maybe {
		f.Namespaces = tri(!strings.Contains(config, "\nCONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y\n"))
	}
}

// Fill completes features by others.
func (f *Features) Fill(other Features) {
	from := other.tris()
	for i, t := range f.tris() {
		if *t == Maybe {
			*t = *from[i]
		}
	}
}

// tris lists a Features in the order of the cache.
func (f *Features) tris() []*Tri {
	return []*Tri{&f.ForceLoad, &f.Signatures, &f.Versions, &f.SizeCheck, &f.Namespaces, &f.Strict, &f.Livepatch,
		&f.Retpoline, &f.SignEnforce, &f.LicenceAgain, &f.TypesRead, &f.TypesDecide}
}

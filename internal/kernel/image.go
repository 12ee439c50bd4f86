package kernel

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
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

// An Image is what a boot image tells.
type Image struct {
	Way      string   // how the kernel was wrapped, for people
	Release  string   // as uname -r says it
	Banner   string   // "Linux version …" up to the end of the line
	Vermagic string   // what modules' vermagic must be; "" if not found
	Exports  *Table   // exported symbols of the kernel proper
	Features Features // as far as the image shows them
	Words    Words    // the loader's sentences
	Keys     []Key    // keys whose signatures the kernel accepts
	Signing  *Signing // how it reads signatures; nil if that is not found
	Machine  uint16   // ELF machine, 0 if the image does not tell
	Class    int      // 32 or 64, 0 if not known

	// Types are the kernel's types in BTF; nil if it has none. What Encode wrote does not have them.
	Types []byte
}

// FromImage reads a boot image in any wrapping. knownLayout is the CRC of module_layout as a module of that kernel
// has it, to confirm what is found by searching; 0 if not known. The result keeps nothing of image.
func FromImage(source string, image []byte, knownLayout uint32) (*Image, error) {
	kernel, way, err := Unwrap(image)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	im := &Image{Way: way}
	words, data := kernel, kernel // where the loader's sentences are, and the certificates
	records := kernel             // where the kernel's records with variables are
	var symbols []Symbol
	f, elfErr := elf.Parse(kernel)
	if elfErr == nil {
		im.Machine, im.Class = f.Machine(), f.Class()
		words, data = sectionOr(f, ".rodata", kernel), sectionOr(f, ".init.data", kernel)
		records = sectionOr(f, ".data", kernel)
	}
	im.Banner = banner(words)
	im.Release = bannerRelease(im.Banner)
	im.Vermagic = vermagic(words, im.Release)
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { im.Features, im.Words = features(words, im.Banner, im.Release) })
	if elfErr == nil {
		symbols, err = elfExports(f)
	}
	if elfErr != nil || err == ErrNoExports {
		// Without sections nothing tells the machine: the tables have to.
		steps := maxSteps
		symbols, err = rawExports(kernel, knownLayout, &steps)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", source, way, err)
	}
	im.Exports = NewTable(source, symbols)
	im.Keys, im.Signing = keys(data), signing(words, records)
	im.Types = bytes.Clone(Types(kernel))
	return im, nil
}

// Types returns the types in BTF that a kernel has, which Unwrap returned; nil if it has none. The result is a part of
// the kernel.
func Types(kernel []byte) []byte {
	f, err := elf.Parse(kernel)
	if err != nil {
		return btf.Find(kernel)
	}
	if b := f.Content(".BTF"); len(b) > 0 {
		return b
	}
	return nil
}

// sectionOr returns the content of a section, or all of the file if it has none of that name.
func sectionOr(f *elf.File, name string, all []byte) []byte {
	if b := f.Content(name); len(b) > 0 {
		return b
	}
	return all
}

// maxTries is how many places are looked at that begin like what is searched; kernels have a handful.
const maxTries = 1 << 12

// banner returns the first line of the kernel's "Linux version …" string.
func banner(kernel []byte) string {
	const start = "Linux version "
	for off, tries := 0, 0; ; off++ {
		i := bytes.Index(kernel[off:], []byte(start))
		if tries++; i < 0 || tries > maxTries {
			return ""
		}
		off += i
		b := kernel[off:min(len(kernel), off+512)]
		if len(b) > len(start) && b[len(start)] >= '0' && b[len(start)] <= '9' {
			end := bytes.IndexAny(b, "\n\x00")
			if end > 0 {
				return string(b[:end])
			}
		}
	}
}

func bannerRelease(banner string) string {
	f := strings.Fields(banner)
	if len(f) < 3 {
		return ""
	}
	return f[2]
}

// vermagic finds the string that begins with the release and goes on with the words of a vermagic.
func vermagic(kernel []byte, release string) string {
	if release == "" {
		return ""
	}
	start := []byte(release + " ")
	for off, tries := 0, 0; ; off++ {
		i := bytes.Index(kernel[off:], start)
		if tries++; i < 0 || tries > maxTries {
			return ""
		}
		off += i
		b := kernel[off:min(len(kernel), off+256)]
		end := bytes.IndexByte(b, 0)
		if end < 0 || bytes.ContainsAny(b[:end], "(#\n%") {
			continue
		}
		if off > 0 && kernel[off-1] != 0 && kernel[off-1] != '=' {
			continue
		}
		return string(b[:end])
	}
}

// ParseRelease reads the first two numbers of a release; 0, 0 if it does not begin with them.
func ParseRelease(release string) (major, minor int) {
	a, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(rest[:end])
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	return major, minor
}

// AtLeast compares a release with a version; an unreadable release counts as newest.
func AtLeast(release string, major, minor int) bool {
	a, b := ParseRelease(release)
	return a == 0 && b == 0 || a > major || a == major && b >= minor
}

// ELF machines with rules of their own.
const (
	EM386     = 3
	emMIPS    = 8
	emPPC     = 20
	EMPPC64   = 21
	emS390    = 22
	emARM     = 40
	EMX8664   = 62
	EMAARCH64 = 183
)

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
	// stands with the marks that a load leaves, it is printed; before, it was for two modules that the kernel knew by
	// name.
	if again, obsolete := places[SayLicenceAgain], bytes.Index(kernel, []byte("%s: Ignoring obsolete parameters")); again >= 0 && obsolete >= 0 {
		f.LicenceAgain = tri(again < obsolete)
	}
	// No image can tell whether an import without a version is refused: the sentence is the same, and what follows it is
	// code. All kernels up to 4.8 refuse it, and Debian's, by a change of its own.
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

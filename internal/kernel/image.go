package kernel

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

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

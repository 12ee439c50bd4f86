package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// typesLimit is the largest BTF that is read: 20 times what kernels have.
const typesLimit = 128 << 20

// sysTypes is where the running kernel shows its types.
const sysTypes = "/sys/kernel/btf/vmlinux"

// section returns the content of a section of an ELF file, nil if it is not there.
func section(image []byte, name string) []byte {
	f, err := elf.Parse(image)
	if err != nil {
		return nil
	}
	return f.Content(name)
}

// moduleTypes reads a module's types, which are split over those of the kernel it was built for; nil if it has none, or
// they are over another base.
func moduleTypes(image []byte, base *btf.File) *btf.File {
	data := section(image, ".BTF")
	if data == nil {
		return nil
	}
	if distilled := section(image, ".BTF.base"); distilled != nil {
		var err error
		if base, err = btf.Parse(distilled, nil); err != nil {
			return nil
		}
	}
	if base == nil {
		return nil
	}
	f, err := btf.Parse(data, base)
	if err != nil {
		return nil
	}
	return f
}

// types is what kernels do with the types that a module brings: those that go on with what is wrong only say so.
func (l *loader) types() bool {
	features := &l.k.Features
	data := section(l.m.Image, ".BTF")
	if data == nil || features.TypesRead != kernel.Yes || features.TypesDecide == kernel.No {
		return true
	}
	sure := features.TypesDecide == kernel.Yes
	const off = "; objcopy --remove-section=.BTF --remove-section=.BTF.base takes them off, which does no harm"
	if l.k.Types == nil {
		return true // a kernel in a test
	}
	own, err := l.k.Types()
	switch {
	case err != nil && !sure:
		return true
	case err != nil:
		l.v.unknown("whether the kernel takes the types that the module brings (.BTF): %v"+off, err)
		return true
	}
	validity, err := btf.Validate(data, section(l.m.Image, ".BTF.base"), own)
	switch {
	case validity == btf.Invalid && !sure:
		l.v.unknown("whether the kernel takes a module with types (.BTF) that are not right "+
			"(CONFIG_MODULE_ALLOW_BTF_MISMATCH): %v"+off, err)
	case validity == btf.Invalid:
		l.v.reason(true, KindTypes, "", "rebuild it against the headers of "+l.k.Release+off,
			"the types that the module brings (.BTF) are not over those of this kernel, or damaged: %v",
			err)
		l.v.Log = append(l.v.Log, "failed to validate module ["+l.name+"] BTF: -22")
		l.v.fail(syscall.EINVAL)
		return false
	case validity == btf.NotKnown && sure:
		l.v.unknown("whether the kernel takes the types that the module brings (.BTF): %v"+off, err)
	}
	return true
}

// ownTypes returns the types of the Checker's kernel, or says why they are not known.
func (c *Checker) ownTypes() (*btf.File, error) {
	if k := c.typesOfKernel(); k != nil {
		return k.Types, nil
	}
	return nil, errors.New(c.cmp.noTypes)
}

// typesOfKernel returns the Checker's kernel, or nil; comparer.noTypes says why then.
func (c *Checker) typesOfKernel() *kernelTypes {
	if c.cmp.read {
		return c.cmp.against
	}
	c.cmp.read = true
	c.cmp.pairs = map[string]*pair{}
	side := &kernelTypes{release: c.k.Release}
	if c.k.Core != nil {
		side.Exports = typeExports(c.k.Core.Symbols())
	}
	var err error
	switch {
	case c.live && c.o.Image == "":
		if side.Types, err = c.rawTypes(sysTypes); err == nil {
			side.source = sysTypes
			break
		}
		fallthrough
	default:
		if name := c.imageRead; name != "" {
			side.Types, err = c.imageTypes(name)
			side.source = name
		} else {
			err = fmt.Errorf("there is no boot image of %s", c.k.Release)
		}
	}
	if err != nil {
		c.cmp.noTypes = "the kernel's types cannot be read: " + err.Error()
		return nil
	}
	c.cmp.against = side
	return side
}

// rawTypes reads a file of BTF.
func (c *Checker) rawTypes(name string) (*btf.File, error) {
	file, err := sysroot.Name(c.fsys, name)
	if err != nil {
		return nil, err
	}
	data, _, err := compress.ReadFile(c.fsys, file, nil, typesLimit)
	if err != nil {
		return nil, named(name, err)
	}
	f, err := btf.Parse(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// imageTypes returns the types of a boot image: as they were just read, or kept, else the image is read again.
func (c *Checker) imageTypes(name string) (*btf.File, error) {
	data := c.fresh[name]
	if data == nil {
		label, err := imageLabel(c.fsys, name)
		if err != nil {
			return nil, err
		}
		if data = keptTypes(c.o.Cache, label); data == nil {
			im, err := readImage(c.fsys, name)
			if err != nil {
				return nil, named(name, err)
			}
			keepTypes(c.o.Cache, label, im)
			data = im.Types
		}
	}
	return parseTypes(name, data)
}

// parseTypes reads BTF that an image has, if it has.
func parseTypes(name string, data []byte) (*btf.File, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%s has no types (it was built without CONFIG_DEBUG_INFO_BTF)", name)
	}
	f, err := btf.Parse(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: .BTF: %w", name, err)
	}
	return f, nil
}

// imageNames lists where distributions put the boot image of a release, below base; dir is where its modules are.
// Alpine names images by the flavour, which ends the release; NixOS links the one that was started.
func imageNames(base, release, dir string) []string {
	boot := base + "/boot/"
	return []string{
		boot + "vmlinuz-" + release, boot + "vmlinux-" + release, boot + "Image-" + release,
		boot + "kernel-" + release,
		dir + "/vmlinuz", dir + "/vmlinux", dir + "/build/vmlinux",
		boot + "vmlinuz-" + release[strings.LastIndexByte(release, '-')+1:],
		base + "/run/booted-system/kernel", boot + "vmlinuz",
	}
}

// imageLabel is what a boot image is known by in the cache.
func imageLabel(fsys fs.FS, name string) (string, error) {
	file, err := sysroot.Name(fsys, name)
	if err != nil {
		return "", err
	}
	info, err := fs.Stat(fsys, file)
	if err != nil {
		return "", named(name, err)
	}
	return fmt.Sprintf("%s %d %d", name, info.Size(), info.ModTime().UnixNano()), nil
}

// The cache also has the types of an image, and which image a release had last: so modules are explained that were
// built for a kernel that is gone.
const typesKey, releaseKey = "types of ", "image of "

// keepTypes puts the types of an image into the cache, without those of functions that modules cannot call.
func keepTypes(cache Cache, label string, im *kernel.Image) {
	if cache == nil || len(im.Types) == 0 {
		return
	}
	f, err := btf.Parse(im.Types, nil)
	if err != nil {
		return
	}
	data := f.Prune(func(name string) bool {
		_, answer := im.Exports.Lookup(name)
		return answer == kernel.Found
	})
	if packed, err := compress.Pack(data); err == nil {
		cache.Put(typesKey+label, append([]byte(typesKey+label+"\n"), packed...))
	}
}

// keptTypes returns the types of an image that the cache has, or nil.
func keptTypes(cache Cache, label string) []byte {
	if cache == nil {
		return nil
	}
	data, ok := bytes.CutPrefix(cache.Get(typesKey+label), []byte(typesKey+label+"\n"))
	if !ok {
		return nil
	}
	data, err := compress.Expand(nil, data, typesLimit)
	if err != nil {
		return nil
	}
	return data
}

// keepRelease notes which image a release has.
func keepRelease(cache Cache, release, label string) {
	if cache != nil && release != "" {
		cache.Put(releaseKey+release, []byte(releaseKey+release+"\n"+label))
	}
}

// typesBuiltFor returns the kernel that a module was built for, or says why it is not known and what would help.
func (c *Checker) typesBuiltFor(m *kernel.Module) (a *kernelTypes, why, advice string) {
	const name = "install that kernel, or name its boot image, or its types, with --built-for"
	if asked := c.o.BuiltFor; strings.HasPrefix(asked, "/") {
		a, err := c.typesOf(asked)
		if err != nil {
			return nil, err.Error(), "--built-for takes a boot image, a file of BTF or a release"
		}
		return a, "", ""
	} else if asked != "" {
		if a, _ := c.typesOf(asked); a != nil {
			return a, "", ""
		}
		return nil, "there are no types of " + asked, "install its boot image, or name it with --built-for"
	}
	magic, _ := m.Field("vermagic")
	release := kernel.MagicRelease(magic)
	switch {
	case release == "":
		why = "the module does not say which kernel it was built for"
	case release == c.k.Release:
		why = "it was built for another build of " + release + ", whose types are not here"
	default:
		if a, _ := c.typesOf(release); a != nil {
			return a, "", ""
		}
		why = "the types of " + release + " are not here, which it was built for"
	}
	if distilled := section(m.Image, ".BTF.base"); distilled != nil {
		if f, err := btf.Parse(distilled, nil); err == nil {
			a := &kernelTypes{source: m.Path + " (.BTF.base)", label: ".BTF.base"}
			a.Types, a.Distilled = f, true
			return a, "", ""
		}
	}
	return nil, why, name
}

// typesOf returns the kernel of a file or a release; nil if there is none. It is read once: many modules may be
// checked.
func (c *Checker) typesOf(asked string) (*kernelTypes, error) {
	if c.cmp.kernels == nil {
		c.cmp.kernels = map[string]readKernel{}
	}
	read, ok := c.cmp.kernels[asked]
	if !ok {
		read.kernel, read.err = c.o.Files.kernel(c.typesKey(asked), func() (*kernelTypes, error) {
			if strings.HasPrefix(asked, "/") {
				return c.typesIn(asked)
			}
			return c.typesOfRelease(asked), nil
		})
		c.cmp.kernels[asked] = read
	}
	return read.kernel, read.err
}

// typesIn reads a file that is named: a boot image or BTF.
func (c *Checker) typesIn(name string) (*kernelTypes, error) {
	if c.beginsAsTypes(name) {
		f, err := c.rawTypes(name)
		if err != nil {
			return nil, err
		}
		label, _ := imageLabel(c.fsys, name)
		return &kernelTypes{Side: types.Side{Types: f}, source: name, label: label}, nil
	}
	im, err := c.bootImage(name, false)
	if err != nil {
		return nil, err
	}
	return c.imageSide(name, im)
}

// beginsAsTypes tells whether a file is BTF by its first bytes: a boot image is large.
func (c *Checker) beginsAsTypes(name string) bool {
	file, err := sysroot.Name(c.fsys, name)
	if err != nil {
		return false
	}
	f, err := c.fsys.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && btf.Begins(head[:])
}

// imageSide is the kernel of a boot image.
func (c *Checker) imageSide(name string, im *kernel.Image) (*kernelTypes, error) {
	f, err := c.imageTypes(name)
	if err != nil {
		return nil, err
	}
	label, _ := imageLabel(c.fsys, name)
	side := types.Side{Types: f, Exports: typeExports(im.Exports.Symbols())}
	return &kernelTypes{side, name, im.Release, label}, nil
}

// typesKey is what the answer of typesOf depends on, beside the file system.
func (c *Checker) typesKey(asked string) string {
	dir := c.p.Dir()
	return asked + " " + dir[:strings.LastIndexByte(dir, '/')+1] + " " + c.opts.Dir
}

// typesOfRelease returns the kernel of a release: by its boot image, else the running one, else by what the cache has.
func (c *Checker) typesOfRelease(release string) *kernelTypes {
	for _, name := range imageNames(c.opts.Dir, release,
		c.p.Dir()[:strings.LastIndexByte(c.p.Dir(), '/')+1]+release) {
		im, err := c.bootImage(name, false)
		if err != nil || im.Release != release {
			continue
		}
		if a, err := c.imageSide(name, im); err == nil {
			return a
		}
	}
	if running, err := c.opts.Kernel.Release(); err == nil && running == release && c.opts.Dir == "" {
		if f, err := c.rawTypes(sysTypes); err == nil {
			return &kernelTypes{Side: types.Side{Types: f}, source: sysTypes, release: release}
		}
	}
	return c.keptRelease(release)
}

// keptRelease returns the kernel of a release that the cache has, or nil.
func (c *Checker) keptRelease(release string) *kernelTypes {
	if c.o.Cache == nil {
		return nil
	}
	label, ok := strings.CutPrefix(string(c.o.Cache.Get(releaseKey+release)), releaseKey+release+"\n")
	if !ok {
		return nil
	}
	im, err := kernel.DecodeImage(label, c.o.Cache.Get(label))
	if err != nil {
		return nil
	}
	source := "the cache (" + im.Exports.Source + ")"
	f, err := parseTypes(source, keptTypes(c.o.Cache, label))
	if err != nil {
		return nil
	}
	side := types.Side{Types: f, Exports: typeExports(im.Exports.Symbols())}
	return &kernelTypes{side, source, release, label}
}

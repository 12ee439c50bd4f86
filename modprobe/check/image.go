package check

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// forImage returns the Prober for the kernel that o.Image holds, and the image if it had to be read to know.
func forImage(p *modprobe.Prober, o *Options) (*modprobe.Prober, *kernel.Image, error) {
	opts := p.Options()
	if o.Image == "" || o.Symvers != "" || opts.Release != "" {
		return p, nil, nil
	}
	image, err := loadImage(opts.FS, o.Image, o.Cache, o.Cached)
	if err == nil && image.Release != "" && image.Release != p.Release() {
		opts.Release = image.Release
		p, err = modprobe.New(&opts)
	}
	return p, image, err
}

// images uses the first boot image of the kernel that is found; if cached is set, the first in the cache. It reports
// whether there is one.
func (c *Checker) images(cached bool) bool {
	for _, name := range imageNames(c.opts.Dir, c.p.Release(), c.p.Dir()) {
		err := c.image(name, cached)
		if err == nil {
			return true
		}
		if !cached && !errors.Is(err, errOtherRelease) {
			c.unused(err)
		}
	}
	return false
}

// Why a boot image is not used.
var (
	errOtherRelease = errors.New("the image of another kernel")
	errNotCached    = errors.New("not in the cache")
)

// image reads a boot image and uses it.
func (c *Checker) image(name string, cached bool) error {
	im, err := c.bootImage(name, cached)
	if err != nil {
		return err
	}
	return c.use(name, im)
}

// bootImage reads a boot image, or its entry in the cache, and moves its types to c.fresh.
func (c *Checker) bootImage(name string, cached bool) (*kernel.Image, error) {
	im, err := loadImage(c.fsys, name, c.o.Cache, cached)
	if err == nil && im.Types != nil {
		c.fresh[name], im.Types = im.Types, nil
	}
	return im, err
}

// loadImage returns the entry of a boot image in the cache; else it reads the image, or fails if cached is set.
func loadImage(fsys fs.FS, name string, cache Cache, cached bool) (*kernel.Image, error) {
	label, err := imageLabel(fsys, name)
	if err != nil {
		return nil, err
	}
	var im *kernel.Image
	if cache != nil {
		if data := cache.Get(label); data != nil {
			im, _ = kernel.DecodeImage(label, data)
		}
	}
	if im == nil && cached {
		return nil, errNotCached
	}
	if im == nil {
		if im, err = readImage(fsys, name); err != nil {
			return nil, named(name, err)
		}
		if cache != nil {
			cache.Put(label, im.Encode(label))
			keepTypes(cache, label, im)
			keepRelease(cache, im.Release, label)
		}
	}
	return im, nil
}

// readImage reads a boot image, without the cache.
func readImage(fsys fs.FS, name string) (*kernel.Image, error) {
	file, err := sysroot.Name(fsys, name)
	if err != nil {
		return nil, err
	}
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := compress.ReadRaw(f, 0) // not mapped: others may cut the file short
	if err != nil {
		return nil, err
	}
	return kernel.FromImage(name, data, 0)
}

// named returns an error about a file with the name of the file that the user knows.
func named(name string, err error) error {
	var pe *fs.PathError
	if !errors.As(err, &pe) {
		return err
	}
	if err = fmt.Errorf("%s: %w", name, pe.Err); errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w (root may read it)", err)
	}
	return err
}

// use takes what an image tells of the kernel, unless it is of another release, or contradicts the sample module.
func (c *Checker) use(name string, im *kernel.Image) error {
	if im.Release != c.p.Release() {
		return fmt.Errorf("%s: %w: %s, not %s", name, errOtherRelease, im.Release, c.p.Release())
	}
	if sample := c.learned(); sample != nil && sample != c.lone {
		if err := im.Exports.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	c.settleLone(im)
	was := c.k.Features
	c.k.Use(im)
	if name != kcoreName {
		c.imageRead = name
	}
	if im.Types != nil {
		c.fresh[name], im.Types = im.Types, nil
	}
	c.k.Features.Fill(was)
	if c.source = name; im.Way != "" && im.Way != name {
		c.source += " (" + im.Way + ")"
	}
	return nil
}

// ImageRelease returns the release of the kernel in a boot image, an absolute path, and puts what it read into the
// cache: a [Checker] finds it there.
func ImageRelease(fsys fs.FS, image string, cache Cache) (string, error) {
	im, err := loadImage(fsys, image, cache, false)
	if err != nil {
		return "", err
	}
	return im.Release, nil
}

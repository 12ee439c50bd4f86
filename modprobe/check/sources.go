package check

import (
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// readAll reads what the kernel exports, from image if it is not nil. A sample of the kernel's modules, and those of
// Options.Names, are read at the same time.
func (c *Checker) readAll(image *kernel.Image) error {
	c.learning.Go(func() { c.sample = c.learn() })
	var ahead sync.WaitGroup
	ahead.Go(func() { c.ahead = c.readAhead(c.o.Names) })
	var err error
	if image != nil {
		err = c.use(c.o.Image, image)
	} else {
		err = c.exports()
	}
	c.learning.Wait()
	ahead.Wait()
	return err
}

// learned waits for learn, and returns one of the kernel's modules, or nil. Code that uses c.k while readAll runs must
// call it first.
func (c *Checker) learned() *kernel.Module {
	c.learning.Wait()
	return c.sample
}

// readModules reads what the modules of the tree were built with. It reports whether there was something left to read.
func (c *Checker) readModules() bool {
	if !c.unread.modules {
		return false
	}
	c.unread.modules = false
	return c.union(false)
}

// readKeys reads the keys in the boot image, if they have not been read.
func (c *Checker) readKeys() {
	if c.unread.image {
		c.unread.image = false
		c.images(false)
	}
}

// strict tells whether a kernel without an image that says so refuses imports without a version: all did up to 4.8, and
// Debian's do.
func (c *Checker) strict() kernel.Tri {
	if major, minor := kernel.ParseRelease(c.p.Release()); major > 0 && (major < 4 || major == 4 && minor < 9) {
		return kernel.Yes
	}
	data, err := fs.ReadFile(c.fsys, "etc/os-release")
	if err != nil {
		return kernel.Maybe
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "ID=debian" {
			return kernel.Yes
		}
	}
	return kernel.No
}

// learn reads modules of the kernel, until struct module is known, and the kernel's configuration. It returns one of
// the modules, or nil. A single module may not be this kernel's, though it lies in the tree: what counts is two modules
// that agree. One that is alone is asked, but nothing fails on its word.
func (c *Checker) learn() (sample *kernel.Module) {
	var all []*kernel.Module
	tries := 0
	for m := range c.tree(1) {
		if magic, _ := m.Field("vermagic"); kernel.MagicRelease(magic) != c.p.Release() {
			continue
		}
		if m.Err() == nil {
			all = append(all, m)
		}
		if sample == nil {
			if i := slices.IndexFunc(all[:max(0, len(all)-1)], m.Like); i >= 0 {
				sample = all[i]
				c.k.LearnFrom(sample)
			}
		}
		if sample != nil && sample.Like(m) {
			c.k.LearnFrom(m)
		}
		if tries++; tries == 16 || c.k.This.Init >= 0 && c.k.This.Exit >= 0 && c.k.This.Size > 0 {
			break
		}
	}
	if len(all) == 1 {
		sample, c.lone, c.before = all[0], all[0], c.k
		c.k.LearnFrom(sample)
	}
	c.config()
	return sample
}

// exports finds out what the kernel exports.
func (c *Checker) exports() error {
	if c.o.Symvers != "" {
		return c.symversAsked()
	}
	return c.kernelExports()
}

// kernelExports finds out what the kernel exports, from the image that was asked for or the best source there is.
func (c *Checker) kernelExports() error {
	if c.o.Image != "" {
		return c.image(c.o.Image, c.o.Cached)
	}
	if c.running() && c.opts.Dir == "" {
		// What is kept of the image is read fastest; the kernel's memory next, which lacks only the keys.
		if c.images(true) {
			return nil
		}
		if c.kcore() == nil {
			c.unread.image = !c.o.Cached
			return nil
		}
	}
	if c.images(c.o.Cached) {
		return nil
	}
	base, release := c.opts.Dir, c.p.Release()
	for _, name := range []string{
		c.path("build/Module.symvers"), base + "/usr/src/linux-headers-" + release + "/Module.symvers",
		base + "/boot/symvers-" + release + ".gz", base + "/boot/symvers-" + release + ".xz",
		c.path("symvers.gz"), c.path("symvers.xz"),
	} {
		err := c.symvers(name)
		if err == nil {
			return nil
		}
		c.unused(err)
	}
	if sample := c.learned(); sample != nil && !c.union(true) {
		// One module knows the CRC of module_layout, which decides most cases. All of them are read if it does
		// not.
		c.source = "the versions that a module of " + c.p.Dir() + " was built with"
		c.k.Core = kernel.Union(c.source, release, slices.Values([]*kernel.Module{sample}))
		c.unread.modules = !c.o.Quick
	}
	return nil
}

// unused records why an existing file was not used. That permission was denied is recorded once.
func (c *Checker) unused(err error) {
	denied := errors.Is(err, fs.ErrPermission)
	if errors.Is(err, fs.ErrNotExist) || denied && c.denied {
		return
	}
	c.denied = c.denied || denied
	c.notes = append(c.notes, "not used: "+err.Error())
}

// union sets the kernel's exports to the symbol versions that its modules were built with. If cached is set, they come
// from the cache only; it returns false if they are not there.
func (c *Checker) union(cached bool) bool {
	cache := c.o.Cache
	source := "the versions that " + c.p.Dir() + "'s modules were built with"
	label := c.treeLabel(c.p.Dir())
	if label == "" {
		cache = nil // nothing would tell that the modules have changed
	}
	if cached {
		if cache == nil {
			return false
		}
		im, err := kernel.DecodeImage(label, cache.Get(label))
		if err != nil {
			return false
		}
		c.k.Core = im.Exports
		c.k.Core.Complete, c.k.Core.Licences = false, false
	} else {
		c.k.Core = kernel.Union(source, c.p.Release(), c.tree(min(runtime.GOMAXPROCS(0), 8)))
		if cache != nil {
			cache.Put(label, (&kernel.Image{Exports: c.k.Core}).Encode(label))
		}
	}
	c.source = source
	return true
}

// configLimit is the largest build configuration that is read: 20 times what kernels have.
const configLimit = 8 << 20

// config reads the kernel's build configuration, for what an image may not tell.
func (c *Checker) config() {
	names := []string{c.opts.Dir + "/boot/config-" + c.p.Release(), c.path("config")}
	if c.opts.Dir == "" && c.running() {
		names = append(names, "/proc/config.gz")
	}
	for _, name := range names {
		file, err := sysroot.Name(c.fsys, name)
		if err != nil {
			continue
		}
		if data, _, err := compress.ReadFile(c.fsys, file, nil, configLimit); err == nil {
			c.k.Features.ReadConfig(string(data))
			return
		}
	}
}

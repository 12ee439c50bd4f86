package check

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// New gathers what is known of p's kernel: what it exports, from the best source there is (its boot image, its memory
// if it is the running one, a Module.symvers, the versions its modules were built with); the layout of struct module
// and the vermagic, from one of its modules; and, if it is the running kernel, what it enforces. o may be nil.
func New(p *modprobe.Prober, o *Options) (*Checker, error) {
	if o == nil {
		o = new(Options)
	}
	p, image, err := forImage(p, o)
	if err != nil {
		return nil, err
	}
	opts := p.Options()
	c := &Checker{
		p: p, opts: opts, fsys: opts.FS, o: *o,
		byName: map[string]*kernel.Module{}, tables: map[*kernel.Module]*kernel.Table{},
		fresh: map[string][]byte{},
	}
	c.k.Release = p.Release()
	c.k.Modules, c.k.Taken, c.k.Types = c.provide, c.builtin, c.ownTypes
	if !p.HasSymbols() {
		c.k.Open = true // depmod has not been here
	}
	if err := c.readAll(image); err != nil {
		return nil, err
	}
	if c.k.Vermagic == "" && c.k.Core == nil {
		err := fmt.Errorf("%w: no boot image, no symbol versions and no modules of %s", modprobe.ErrNoTables, p.Release())
		return nil, &modprobe.Error{Op: "check", Module: p.Release(), Err: err}
	}
	if c.running() && opts.Dir == "" {
		c.state()
		c.firmware()
	}
	if c.k.Features.Strict == kernel.Maybe {
		c.k.Features.Strict = c.strict()
	}
	return c, nil
}

// readAll reads what the kernel exports, from its image if that has been read. The modules that tell of the kernel, and
// those of Options.Names, are read at the same time.
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

// learned waits for what modules of the kernel tell, and returns one of them, or nil. Whoever uses c.k while the kernel
// is read calls it first.
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

// forImage returns the Prober for the kernel that o.Image holds, and the image if it had to be read to know.
func forImage(p *modprobe.Prober, o *Options) (*modprobe.Prober, *kernel.Image, error) {
	opts := p.Options()
	if o.Image == "" || o.Symvers != "" || opts.Release != "" {
		return p, nil, nil
	}
	image, err := bootImage(opts.FS, o.Image, o.Cache, o.Cached)
	if err == nil && image.Release != "" && image.Release != p.Release() {
		opts.Release = image.Release
		p, err = modprobe.New(&opts)
	}
	return p, image, err
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

// learn reads some modules of the kernel, until all is known that they tell, and the kernel's configuration. It returns
// one of the modules, or nil. One module's word is not the kernel's: it may have strayed into the tree. Two of one kind
// are believed, and one that is alone.
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
		sample = all[0]
		c.k.LearnFrom(sample)
	}
	c.config()
	return sample
}

// tree reads the modules of the tree that belong to the kernel itself, at most atOnce at a time, and yields them in
// their order.
func (c *Checker) tree(atOnce int) iter.Seq[*kernel.Module] {
	return func(yield func(*kernel.Module) bool) {
		ahead := make(chan chan *kernel.Module, atOnce-1)
		stop := make(chan struct{})
		defer func() {
			close(stop)
			for range ahead { // until nobody looks at the tables any more, which the Prober's owner may close
			}
		}()
		go func() {
			defer close(ahead)
			for file := range c.p.Files() {
				if !strings.HasPrefix(file, c.path("kernel/")) {
					continue
				}
				one := make(chan *kernel.Module, 1)
				select {
				case ahead <- one:
				case <-stop:
					return
				}
				go func() {
					m, _ := c.readFile(file)
					one <- m
				}()
			}
		}()
		for one := range ahead {
			if m := <-one; m != nil && !yield(m) {
				return
			}
		}
	}
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
		// One module knows the CRC of module_layout, which decides most cases. All of them are read if it does not.
		c.source = "the versions that a module of " + c.p.Dir() + " was built with"
		c.k.Core = kernel.Union(c.source, release, slices.Values([]*kernel.Module{sample}))
		c.unread.modules = !c.o.Quick
	}
	return nil
}

// path returns the absolute path of a file in the module directory.
func (c *Checker) path(name string) string { return c.p.Dir() + "/" + name }

// unused records why an existing file was not used. A missing permission is reported once.
func (c *Checker) unused(err error) {
	denied := errors.Is(err, fs.ErrPermission)
	if errors.Is(err, fs.ErrNotExist) || denied && c.denied {
		return
	}
	c.denied = c.denied || denied
	c.notes = append(c.notes, "not used: "+err.Error())
}

// running reports whether the Prober's kernel is the running one.
func (c *Checker) running() bool {
	running, err := c.opts.Kernel.Release()
	return err == nil && running == c.p.Release()
}

// images reads the first boot image of the kernel that there is, or only what is kept of it.
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

// union gathers what the kernel's modules were built with, or, which may fail, takes what is kept of it.
func (c *Checker) union(cached bool) bool {
	cache := c.o.Cache
	source := "the versions that " + c.p.Dir() + "'s modules were built with"
	label := ""
	if name, err := sysroot.Name(c.fsys, c.path("modules.dep")); err == nil {
		if info, err := fs.Stat(c.fsys, name); err == nil {
			label = fmt.Sprintf("%s %d %d", c.p.Dir(), info.Size(), info.ModTime().UnixNano())
		}
	}
	if label == "" {
		cache = nil // nothing tells when the modules change
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

var (
	errOtherRelease = errors.New("the image of another kernel")
	errNotCached    = errors.New("not in the cache")
)

// image takes over what a boot image tells, or what is kept of it.
func (c *Checker) image(name string, cached bool) error {
	im, err := c.bootImage(name, cached)
	if err != nil {
		return err
	}
	return c.use(name, im)
}

// bootImage reads a boot image, and keeps its types for a while.
func (c *Checker) bootImage(name string, cached bool) (*kernel.Image, error) {
	im, err := bootImage(c.fsys, name, c.o.Cache, cached)
	if err == nil && im.Types != nil {
		c.fresh[name], im.Types = im.Types, nil
	}
	return im, err
}

// bootImage reads a boot image, or what is kept of it.
func bootImage(fsys fs.FS, name string, cache Cache, cached bool) (*kernel.Image, error) {
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
			keepTypes(cache, label, im.Types)
			keepRelease(cache, im.Release, label)
		}
	}
	return im, nil
}

// named is an error about a file, with the file's name as the user knows it.
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

// readImage reads a boot image.
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

// use takes over what an image tells, unless it is another kernel's.
func (c *Checker) use(name string, im *kernel.Image) error {
	if im.Release != c.p.Release() {
		return fmt.Errorf("%s: %w: %s, not %s", name, errOtherRelease, im.Release, c.p.Release())
	}
	if sample := c.learned(); sample != nil {
		if err := im.Exports.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
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

// symversLimit is the largest Module.symvers that is read: 20 times what kernels have.
const symversLimit = 64 << 20

// symversAsked takes over a Module.symvers that was asked for. One without a line of the kernel's, as the build of a
// module leaves it, is added to what the kernel exports.
func (c *Checker) symversAsked() error {
	table, err := c.readSymvers(c.o.Symvers)
	if err != nil {
		return err
	}
	if len(table.Of(kernel.Core).Symbols()) > 0 {
		return c.useSymvers(c.o.Symvers, table)
	}
	if err := c.kernelExports(); err != nil {
		return err
	}
	c.added = table
	c.source = strings.TrimPrefix(c.source+" and "+c.o.Symvers, " and ")
	return nil
}

// readSymvers reads a Module.symvers.
func (c *Checker) readSymvers(name string) (*kernel.Table, error) {
	file, err := sysroot.Name(c.fsys, name)
	if err != nil {
		return nil, err
	}
	data, _, err := compress.ReadFile(c.fsys, file, nil, symversLimit)
	if err != nil {
		return nil, named(name, err)
	}
	table, problems, err := kernel.ParseSymvers(name, data)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		c.notes = append(c.notes, fmt.Sprintf("%s:%d: %s", name, p.Line, p.Text))
	}
	return table, nil
}

// symvers takes a Module.symvers for what the kernel exports.
func (c *Checker) symvers(name string) error {
	notes := len(c.notes)
	table, err := c.readSymvers(name)
	if err == nil {
		err = c.useSymvers(name, table)
	}
	if err != nil {
		c.notes = c.notes[:notes] // about a file that is not used
	}
	return err
}

// useSymvers takes a table for what the kernel exports, if it is of this build.
func (c *Checker) useSymvers(name string, table *kernel.Table) error {
	if sample := c.learned(); sample != nil {
		if err := table.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	c.k.Core, c.source = table.Of(kernel.Core), name
	return nil
}

// kcoreName is the running kernel's memory.
const kcoreName = "/proc/kcore"

// kcore reads the running kernel's memory.
func (c *Checker) kcore() error {
	kallsyms, err := c.fsys.Open("proc/kallsyms")
	if err != nil {
		return err
	}
	defer kallsyms.Close()
	f, err := c.fsys.Open("proc/kcore")
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return errors.ErrUnsupported
	}
	im, err := kernel.FromKcore(kallsyms, r)
	if err != nil {
		return err
	}
	if im.Release == "" {
		im.Release = c.p.Release() // its constants could not be read
	}
	return c.use(kcoreName, im)
}

// configLimit is the largest build configuration that is read: 20 times what kernels have.
const configLimit = 8 << 20

// config reads the kernel's build configuration, for what no image tells.
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

// builtin tells whether a kernel may have a folder in /sys/module for a part of itself of that name, by
// modules.builtin. Not all parts have one.
func (c *Checker) builtin(name string) kernel.Tri {
	if m, ok := c.p.Module(name); ok && m.Name == name && m.Builtin {
		return kernel.Maybe
	}
	return kernel.No
}

// taken tells whether the running kernel has a folder in /sys/module for a part of itself of that name.
func (c *Checker) taken(name string) kernel.Tri {
	if _, err := fs.Stat(c.fsys, "sys/module"); err != nil {
		return c.builtin(name)
	}
	if _, err := fs.Stat(c.fsys, "sys/module/"+name); err != nil {
		return kernel.No
	}
	if _, err := fs.Stat(c.fsys, "sys/module/"+name+"/initstate"); err == nil {
		return kernel.No // it is a module
	}
	return kernel.Yes
}

// state reads what the running kernel enforces.
func (c *Checker) state() {
	read := func(name string) string {
		data, _ := fs.ReadFile(c.fsys, name)
		return strings.TrimSpace(string(data))
	}
	c.k.Disabled = read("proc/sys/kernel/modules_disabled") == "1"
	if read("sys/module/module/parameters/sig_enforce") == "Y" {
		c.k.Enforce = true
	}
	if mode := read("sys/kernel/security/lockdown"); mode != "" && !strings.Contains(mode, "[none]") {
		c.k.Lockdown = true
	}
	for _, word := range strings.Fields(read("proc/cmdline")) {
		if list, ok := strings.CutPrefix(word, "module_blacklist="); ok {
			c.k.Blacklist = append(c.k.Blacklist, strings.Split(list, ",")...)
		}
	}
	c.k.Tainted = kernel.TaintLetters(read("proc/sys/kernel/tainted"))
	c.live = true
	c.k.Loaded = func(m *kernel.Module) bool {
		state := c.p.State(m.Name)
		return c.offered[m] && state.Live && !state.Builtin
	}
	c.k.Present = func(module string) bool {
		state := c.p.State(module)
		return state.Live && !state.Builtin
	}
	c.k.Taken = c.taken
	list, err := c.p.Loaded()
	if err != nil {
		return
	}
	for _, l := range list {
		if c.file(l.Name) == "" {
			c.k.Open = true // loaded from elsewhere: it may export anything
		}
	}
}

package modprobe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernelabi"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Checker gathers what is known of the Prober's kernel: what it exports, from the best source there is (its boot image, its memory
// if it is the running one, a Module.symvers, the versions its modules were built with); the layout of struct module and
// the vermagic, from one of its modules; and, if it is the running kernel, what it enforces. o may be nil.
func (p *Prober) Checker(o *CheckOptions) (*Checker, error) {
	if o == nil {
		o = new(CheckOptions)
	}
	c := &Checker{p: p, flags: o.Flags, byName: map[string]*kernelabi.Module{}}
	c.k.Release = p.release
	c.k.Modules = c.provide
	if l, ok := p.symbols().(list); ok && len(l) == 0 {
		c.k.Open = true // depmod has not been here
	}
	sample := c.learn()
	if err := c.exports(o, sample); err != nil {
		return nil, err
	}
	if c.k.Vermagic == "" && c.k.Core == nil {
		return nil, &Error{Op: "check", Module: p.release, Err: fmt.Errorf("%w: no boot image, no symbol versions and no modules of %s", ErrNoTables, p.release)}
	}
	if running, err := p.kernel.Release(); err == nil && running == p.release && p.opts.Dir == "" {
		c.state()
	}
	if c.k.Features.Strict == kernelabi.Maybe {
		c.k.Features.Strict = c.strict()
	}
	return c, nil
}

// strict tells whether a kernel without an image that says so refuses imports without a version: all did up to 4.8, and Debian's
// do.
func (c *Checker) strict() kernelabi.Tri {
	if major, minor := kernelabi.ParseRelease(c.p.release); major > 0 && (major < 4 || major == 4 && minor < 9) {
		return kernelabi.Yes
	}
	data, err := fs.ReadFile(c.p.fsys, "etc/os-release")
	if err != nil {
		return kernelabi.Maybe
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "ID=debian" {
			return kernelabi.Yes
		}
	}
	return kernelabi.No
}

// learn reads some modules of the kernel, until all is known that they tell. It returns one of them.
func (c *Checker) learn() (sample *kernelabi.Module) {
	tries := 0
	for m := range c.tree() {
		if magic, _ := m.Field("vermagic"); kernelabi.MagicRelease(magic) != c.p.release {
			continue
		}
		c.k.LearnFrom(m)
		if sample == nil && m.Err() == nil {
			sample = m
		}
		if tries++; tries == 16 || c.k.This.Init >= 0 && c.k.This.Exit >= 0 && c.k.This.Size > 0 {
			break
		}
	}
	return sample
}

// tree reads the modules of the tree that belong to the kernel itself.
func (c *Checker) tree() iter.Seq[*kernelabi.Module] {
	return func(yield func(*kernelabi.Module) bool) {
		for file := range c.p.moduleFiles() {
			if !strings.HasPrefix(file, "kernel/") {
				continue
			}
			m, err := c.read(c.p.path(file))
			if err == nil && !yield(m) {
				return
			}
		}
	}
}

// moduleFiles yields the files of all modules, in the module directory.
func (p *Prober) moduleFiles() iter.Seq[string] {
	return func(yield func(string) bool) {
		dep := p.dep()
		if t, ok := dep.(*tree); ok { // without tables
			for _, file := range slices.Sorted(maps.Values(t.files)) {
				if !yield(file) {
					return
				}
			}
			return
		}
		for _, value := range dep.All() {
			file, _, _ := strings.Cut(value.Value, ":")
			if !yield(file) {
				return
			}
		}
	}
}

// exports finds out what the kernel exports.
func (c *Checker) exports(o *CheckOptions, sample *kernelabi.Module) error {
	c.config()
	if o.Symvers != "" {
		return c.symvers(o.Symvers, sample)
	}
	if o.Image != "" {
		return c.image(o.Image, o, sample)
	}
	base := c.p.opts.Dir
	for _, name := range []string{base + "/boot/vmlinuz-" + c.p.release, base + "/boot/vmlinux-" + c.p.release, base + "/boot/Image-" + c.p.release,
		base + "/boot/kernel-" + c.p.release, c.p.path("vmlinuz"), c.p.path("vmlinux"), c.p.path("build/vmlinux"), base + "/boot/vmlinuz"} {
		if err := c.image(name, o, sample); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errOtherRelease) && !errors.Is(err, errNotCached) {
			c.notes = append(c.notes, "not used: "+err.Error())
		}
	}
	if running, err := c.p.kernel.Release(); err == nil && running == c.p.release && base == "" {
		if err := c.kcore(); err == nil {
			return nil
		}
	}
	for _, name := range []string{c.p.path("build/Module.symvers"), base + "/usr/src/linux-headers-" + c.p.release + "/Module.symvers",
		base + "/boot/symvers-" + c.p.release + ".gz", base + "/boot/symvers-" + c.p.release + ".xz", c.p.path("symvers.gz"), c.p.path("symvers.xz")} {
		if err := c.symvers(name, sample); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			c.notes = append(c.notes, "not used: "+err.Error())
		}
	}
	if sample != nil && !o.Quick {
		c.k.Core = kernelabi.Union("the versions that "+c.p.dir+"'s modules were built with", c.p.release, c.tree())
		c.source = c.k.Core.Source
	}
	return nil
}

var (
	errOtherRelease = errors.New("the image of another kernel")
	errNotCached    = errors.New("not in the cache")
)

// image reads a boot image, or what is kept of it.
func (c *Checker) image(name string, o *CheckOptions, sample *kernelabi.Module) error {
	cache := o.Cache
	file, err := sysroot.Name(c.p.fsys, name)
	if err != nil {
		return err
	}
	info, err := fs.Stat(c.p.fsys, file)
	if err != nil {
		return err
	}
	label := fmt.Sprintf("%s %d %d", name, info.Size(), info.ModTime().UnixNano())
	var im *kernelabi.Image
	if cache != nil {
		if data := cache.Get(name); data != nil {
			im, _ = kernelabi.DecodeImage(label, data)
		}
	}
	if im == nil && o.Cached {
		return errNotCached
	}
	if im == nil {
		data, err := fs.ReadFile(c.p.fsys, file)
		if err != nil {
			return err
		}
		if im, err = kernelabi.FromImage(name, data, 0); err != nil {
			return err
		}
		if cache != nil {
			cache.Put(name, im.Encode(label))
		}
	}
	if im.Release != c.p.release {
		return fmt.Errorf("%s: %w: %s, not %s", name, errOtherRelease, im.Release, c.p.release)
	}
	if sample != nil {
		if err := im.Exports.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	was := c.k.Features
	c.k.Use(im)
	c.k.Features.Fill(was)
	c.source = name + " (" + im.Way + ")"
	return nil
}

// symvers reads a Module.symvers.
func (c *Checker) symvers(name string, sample *kernelabi.Module) error {
	file, err := sysroot.Name(c.p.fsys, name)
	if err != nil {
		return err
	}
	if _, err := fs.Stat(c.p.fsys, file); err != nil {
		return err
	}
	data, _, err := compress.ReadFile(c.p.fsys, file, nil, 0)
	if err != nil {
		return err
	}
	table, problems, err := kernelabi.ParseSymvers(name, data)
	if err != nil {
		return err
	}
	if sample != nil {
		if err := table.Confirm(sample); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, p := range problems {
		c.notes = append(c.notes, fmt.Sprintf("%s:%d: %s", name, p.Line, p.Text))
	}
	c.k.Core, c.source = table.Of(kernelabi.Core), name
	return nil
}

// kcore reads the running kernel's memory.
func (c *Checker) kcore() error {
	kallsyms, err := fs.ReadFile(c.p.fsys, "proc/kallsyms")
	if err != nil {
		return err
	}
	f, err := c.p.fsys.Open("proc/kcore")
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return errors.ErrUnsupported
	}
	if c.k.Core, err = kernelabi.FromKcore(string(kallsyms), r); err != nil {
		return err
	}
	c.source = "/proc/kcore"
	return nil
}

// config reads the kernel's build configuration, for what no image tells.
func (c *Checker) config() {
	for _, name := range []string{c.p.opts.Dir + "/boot/config-" + c.p.release, c.p.path("config")} {
		file, err := sysroot.Name(c.p.fsys, name)
		if err != nil {
			continue
		}
		if data, err := fs.ReadFile(c.p.fsys, file); err == nil {
			c.k.Features.ReadConfig(string(data))
			return
		}
	}
}

// state reads what the running kernel enforces.
func (c *Checker) state() {
	read := func(name string) string {
		data, _ := fs.ReadFile(c.p.fsys, name)
		return strings.TrimSpace(string(data))
	}
	c.k.Disabled = read("proc/sys/kernel/modules_disabled") == "1"
	if read("sys/module/module/parameters/sig_enforce") == "Y" {
		c.k.Enforce = kernelabi.Yes
	}
	if mode := read("sys/kernel/security/lockdown"); mode != "" && !strings.Contains(mode, "[none]") {
		c.k.Lockdown = true
	}
	for _, word := range strings.Fields(read("proc/cmdline")) {
		if list, ok := strings.CutPrefix(word, "module_blacklist="); ok {
			c.k.Blacklist = append(c.k.Blacklist, strings.Split(list, ",")...)
		}
	}
	c.k.Tainted = kernelabi.TaintLetters(read("proc/sys/kernel/tainted"))
	c.loaded = func(name string) bool { return c.p.state(name).inKernel() }
	list, err := c.p.Loaded()
	if err != nil {
		return
	}
	for _, l := range list {
		if _, ok := c.p.dep().Lookup(l.Name); !ok {
			c.k.Open = true // loaded from elsewhere: it may export anything
		}
	}
}

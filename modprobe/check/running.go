package check

import (
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// running reports whether the Prober's kernel is the running one.
func (c *Checker) running() bool {
	running, err := c.opts.Kernel.Release()
	return err == nil && running == c.p.Release()
}

// state reads the state of the running kernel: what it enforces, its taints, and its modules.
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
	c.k.Resident = c.resident
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

// builtin tells, by modules.builtin, whether a builtin module of that name may have a folder in /sys/module. Not all
// builtin modules have one.
func (c *Checker) builtin(name string) kernel.Tri {
	if m, ok := c.p.Module(name); ok && m.Name == name && m.Builtin {
		return kernel.Maybe
	}
	return kernel.No
}

// taken tells whether the running kernel has a folder in /sys/module for a builtin module of that name.
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

// kcoreName is the file of the running kernel's memory.
const kcoreName = "/proc/kcore"

// kcore reads the running kernel's exports out of its memory.
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

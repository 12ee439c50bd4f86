// Package modprobe loads and removes kernel modules by name, alias or path, with their dependencies and the
// configuration of modprobe.d(5), as modprobe(8) of kmod does, and can say beforehand what it would do.
//
// Deciding and doing are apart. [Prober.Plan] and [Prober.PlanRemove] look at the module tree, the configuration and
// the state of the kernel, and return steps, which are plain data; [Prober.Run] carries steps out. [Load] and
// [Remove] do both on the running system.
//
// Everything that is read is read through one fs.FS, everything that is done to the kernel goes through a [Kernel].
// Package modprobetest has a kernel for tests.
package modprobe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// Options say where a Prober finds things. The zero value is the running system.
type Options struct {
	// FS is the file system, whose root is "/". Default: this machine's files, as os.DirFS("/"). For a system below
	// another folder use [Root]; an os.DirFS of a folder is treated in the same way.
	FS fs.FS
	// Dir is the directory that has lib/modules/RELEASE, an absolute path: -d of modprobe. Only the module tree is
	// looked for there; the configuration stays where it is. Default: the root of FS. It is put in front of
	// "/lib/modules" as it is, so "/" shows in paths as "//lib/modules".
	Dir string
	// Release is the release of the kernel whose modules are used. Default: that of Kernel.
	Release string
	// Config holds the files and folders to read instead of those of modprobe.d(5), absolute paths; -C of modprobe.
	Config []string
	// Policy holds the files and folders whose forbid and allow lines count, in place of those of Config. Default:
	// Config. [ConfigDirs] are those of the system.
	Policy []string
	// NoConfig leaves the configuration out altogether, as insmod, rmmod and modinfo do.
	NoConfig bool
	// Kernel is what modules are loaded into. Default: Running().
	Kernel Kernel
	// Shell runs an install or remove command. Default: /bin/sh -c with MODPROBE_MODULE=MODULE in the environment.
	// A nil error is success. Commands that are just /bin/true or /bin/false are not given to it. If FS is not the
	// file system of this machine, the default is to run nothing: ErrOtherRoot.
	Shell func(ctx context.Context, command, module string) error
	// Step is called before each step of a plan is carried out, if it is not nil.
	Step func(Step)
	// Explain says in plain words why the module in the file at path was not loaded; err is the kernel's answer,
	// and said what it wrote to its log. Its text is added to Error.Reason. Default: the kernel's own words only.
	// Package check has one.
	Explain func(p *Prober, path string, err error, said []string) string
	// Facts keeps what the modules of a tree without tables say of themselves, so that the next Prober need not read
	// them again. What it returns is believed: only root and the caller may be able to write it. Default: none is kept.
	Facts Facts
	// Log is called with problems that are not failures: *ConfigError, *TableError, *Error. Default: none.
	Log func(error)
}

// Prober finds, loads and removes modules. It is safe for concurrent use. Configuration and tables are read once, when
// they are first needed; tables again if Resolve, Plan or PlanRemove find that depmod has replaced them.
type Prober struct {
	opts    Options
	fsys    fs.FS
	kernel  Kernel
	release string
	dir     string // the module directory, as in messages
	dirName string // the same as a name in fsys
	hasDir  bool   // whether it exists

	now func() time.Time

	tables atomic.Pointer[tables] // new ones when depmod has replaced the old
	found  sync.Pool              // of *[]index.Value

	configOnce sync.Once
	config     *Config

	formatOnce sync.Once
	format     string // the compression the kernel expands itself
}

// New returns a Prober. o may be nil.
func New(o *Options) (*Prober, error) {
	p := &Prober{now: time.Now}
	p.tables.Store(new(tables))
	if o != nil {
		p.opts = *o
	}
	p.fsys, p.kernel, p.release = p.opts.FS, p.opts.Kernel, p.opts.Release
	if p.fsys == nil {
		p.fsys = sysroot.Host("/")
	}
	p.fsys = sysroot.Confine(p.fsys)
	if p.kernel == nil {
		p.kernel = Running()
	}
	if p.opts.Shell == nil {
		p.opts.Shell = NoShell
		if trusted.IsMachine(p.fsys) {
			p.opts.Shell = Shell
		}
	}
	if p.release == "" {
		var err error
		if p.release, err = p.kernel.Release(); err != nil {
			return nil, err
		}
	}
	return p, p.locate()
}

// Root returns the files of the system whose root folder is dir, for Options.FS: symbolic links are followed inside,
// so that none leads to files of this machine.
func Root(dir string) fs.FS { return sysroot.New(sysroot.Host(dir)) }

// locate finds the module directory.
func (p *Prober) locate() error {
	dir, err := moduledir.Find(p.fsys, p.opts.Dir, p.release)
	p.dir, p.dirName, p.hasDir = dir.Path, dir.Name, dir.Exists
	return err
}

// Close releases the memory of the tables. Afterwards the Prober finds nothing, and the names that AppendNames returned
// are not valid any more. A program that makes a single Prober need not call it: the tables are mapped, not read.
func (p *Prober) Close() error {
	var failed error
	for t := p.tables.Load(); t != nil; t = t.before {
		for _, lazy := range []*lazyTable{&t.dep, &t.alias, &t.symbols, &t.builtin, &t.builtinAlias} {
			lazy.once.Do(func() { lazy.table = list(nil) })
			if c, ok := lazy.table.(io.Closer); ok {
				failed = errors.Join(failed, c.Close())
			}
		}
	}
	return failed
}

// Dir returns the module directory, such as /lib/modules/6.1.0, whether it exists or not.
func (p *Prober) Dir() string { return p.dir }

// Release returns the release of the kernel whose modules are used.
func (p *Prober) Release() string { return p.release }

// Options returns the options that New was given, with the FS and the Kernel that are in use.
func (p *Prober) Options() Options {
	o := p.opts
	o.FS, o.Kernel = p.fsys, p.kernel
	return o
}

// path returns the absolute path of a file in the module directory; an absolute name stays as it is.
func (p *Prober) path(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return p.dir + "/" + name
}

// name returns the name in fsys of a file in the module directory.
func (p *Prober) name(file string) string {
	if file == "." {
		return p.dirName
	}
	return p.dirName + "/" + file
}

// report gives Options.Log a problem that is not a failure.
func (p *Prober) report(err error) {
	if p.opts.Log != nil {
		p.opts.Log(err)
	}
}

// Load loads the module or alias of that name into the running kernel, with what it needs; params are "name=value".
// A module that is loaded already is no error.
func Load(ctx context.Context, name string, params ...string) error {
	p, err := New(nil)
	if err != nil {
		return err
	}
	return p.Load(ctx, name, params...)
}

// Remove removes the module or alias of that name from the running kernel, and what nobody needs then. A module that
// is not loaded is no error.
func Remove(ctx context.Context, name string) error {
	p, err := New(nil)
	if err != nil {
		return err
	}
	return p.Remove(ctx, name)
}

// Load plans and runs the loading of a module; see [Load].
func (p *Prober) Load(ctx context.Context, name string, params ...string) error {
	plan, err := p.Plan(name, &PlanOptions{Params: strings.Join(params, " ")})
	if err != nil {
		return err
	}
	return p.Run(ctx, plan)
}

// Remove plans and runs the removal of a module; see [Remove].
func (p *Prober) Remove(ctx context.Context, name string) error {
	plan, err := p.PlanRemove(name, nil)
	if err != nil {
		return err
	}
	return p.Run(ctx, plan)
}

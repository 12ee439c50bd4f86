// Package depmod makes the tables of a folder of kernel modules, /lib/modules/RELEASE: which modules need which, which
// module drives which device, who has a symbol. They are what depmod(8) writes and modprobe(8) reads, described in
// modules.dep(5), and byte for byte those of kmod 34.2.
//
//	tables, err := depmod.Build(ctx, &depmod.Options{FS: modprobe.Root("/image"), Release: "6.1.0-50-amd64"})
//	for _, p := range tables.Problems() { … }
//	if err == nil { err = tables.Install("/image/lib/modules/6.1.0-50-amd64") }
//
// Build only reads, through an fs.FS, and decides; Install writes, all tables or none. Modules are read by several
// workers at a time, but the tables depend on nothing but the files: not on the number of workers, nor on the order in
// which a file system lists its folders.
package depmod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// Options says what Build makes tables of. Only Release has to be set.
type Options struct {
	// FS is where everything is read from. Default: os.DirFS("/"). Of an os.DirFS of another folder links are followed
	// inside, as by modprobe.Root.
	FS fs.FS
	// Overlay is laid over FS, the last on top: of two files of the same name the upper one counts, and a folder
	// has what it has in all of them. So an image and the extensions to it are read as one.
	Overlay []fs.FS
	// Release is the release of the kernel, as uname -r prints it.
	Release string
	// Dir is the folder of the modules. Default: /lib/modules/RELEASE, or /usr/lib/modules/RELEASE where only that
	// exists. Like all paths here it may begin with a slash, which is the root of FS.
	Dir string
	// Shown is how Dir is spelled in Problems. Default: Dir.
	Shown string
	// Config lists where the configuration is: folders, whose files named *.conf count, and files. Default:
	// ConfigDirs. What does not exist is passed over; a list that is not nil but empty is no configuration.
	Config []string
	// Files, if not nil, are the only modules, absolute paths; neither the folder is searched nor the configuration
	// read.
	Files []string
	// SystemMap, if not nil, is the System.map of the kernel; it tells the symbols that the kernel exports.
	SystemMap io.Reader
	// Symvers, if not nil, is the Module.symvers of the kernel; it is preferred to SystemMap, and tells checksums,
	// too.
	Symvers io.Reader
	// SymbolsName is the name of the file behind SystemMap or Symvers in Problems.
	SymbolsName string
	// SymbolPrefix, if not 0, is a character that symbols begin with on this architecture and that is to be
	// ignored.
	SymbolPrefix byte
	// KeepGoing makes tables even if a module or a folder cannot be read: the module is listed, but with nothing
	// known of it, and what is in the folder is left out, as in kmod. Default: ErrUnreadable.
	KeepGoing bool
	// Links has Build remember why modules depend on each other, for Tables.Links.
	Links bool
	// MaxSize is the size in bytes that a compressed module may expand to. Default: 512 MiB.
	MaxSize int64
	// Workers is how many modules are read at a time. Default: runtime.GOMAXPROCS(0).
	Workers int
	// Progress, if not nil, is called as modules are read, by several goroutines, with how many of all are done.
	Progress func(done, all int)
	// Cache, if not nil, has what an earlier Build has read, and gets what this one reads.
	Cache *Cache
}

// ConfigDirs returns the folders of depmod.d(5), the one that counts most first.
func ConfigDirs() []string { return moduledir.ConfigDirs() }

// Errors of Build that a caller may want to tell apart.
var (
	// ErrCycle: modules depend on each other in a circle, so that none can be loaded first. The error is a
	// *CycleError, and the Problems of kind Cycle have the circles.
	ErrCycle = errors.New("modules depend on each other in a circle")
	// ErrUnreadable: a module, or a folder that may have some, could not be read. The Problems of the kinds
	// Unreadable, Directory and Entry say which and why.
	ErrUnreadable = errors.New("a module or a folder cannot be read")
	// ErrBadKey: a name or an alias is not 7-bit ASCII and cannot be put into a table. The Problems of kind BadKey
	// have it.
	ErrBadKey = errors.New("a name or an alias is not 7-bit ASCII")
)

// CycleError is the ErrCycle that Build returns.
type CycleError struct {
	// Modules is how many modules are in a circle.
	Modules int
}

// Error implements error.
func (e *CycleError) Error() string { return fmt.Sprintf("%d %v", e.Modules, ErrCycle) }

// Is reports whether target is ErrCycle.
func (e *CycleError) Is(target error) bool { return target == ErrCycle }

// Tables are the tables of a folder of modules.
type Tables struct {
	files    []table
	problems []Problem
	links    []Link
}

// table is one file, ready to be written.
type table struct {
	name string
	data []byte
}

// Link is the reason for a dependency: a symbol that one module needs and another exports, the first of possibly many.
type Link struct {
	// Module and Owner are the files of the two, as in Problem.Path.
	Module, Owner string
	// Symbol is the name of the symbol.
	Symbol string
}

// Build reads the modules and makes the tables. It writes nothing.
//
// The Tables are never nil: with an error they have no files, but the Problems say what went wrong where, and with
// which modules. The error is ErrCycle, ErrUnreadable, ErrBadKey, that of ctx, or that of the file system if the
// folder of the modules cannot be read or a Reader of the Options fails.
func Build(ctx context.Context, options *Options) (*Tables, error) {
	b := builder{ctx: ctx}
	if options != nil {
		b.Options = *options
	}
	files, err := b.build()
	if err != nil {
		files = nil
	}
	return &Tables{files: files, problems: b.problems, links: b.links}, err
}

// Names returns the names of the tables in the order in which kmod writes them.
func (t *Tables) Names() []string {
	names := make([]string, len(t.files))
	for i, f := range t.files {
		names[i] = f.name
	}
	return names
}

// WriteFile writes the content of the table of that name to w. The error is fs.ErrNotExist if there is no such table.
func (t *Tables) WriteFile(w io.Writer, name string) error {
	data, err := t.ReadFile(name)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

// ReadFile returns the content of the table of that name, which the caller must not change.
func (t *Tables) ReadFile(name string) ([]byte, error) {
	for _, f := range t.files {
		if f.name == name {
			return f.data, nil
		}
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

// Problems returns what Build met with, in the order in which kmod reports it.
func (t *Tables) Problems() []Problem { return t.problems }

// Links returns why modules depend on each other, in the order in which Build found out, if Options.Links asked for it.
func (t *Tables) Links() []Link { return t.links }

// builder is the state of a Build.
type builder struct {
	Options
	ctx context.Context

	files   files  // of FS, which may be shared by several goroutines
	dir     string // Dir as a name in FS
	config  *moduledir.Config
	modules []*module // in the order of the tables, once sorted
	symbols map[string]symbol
	// kernelKnown is that the symbols which the kernel exports are known.
	kernelKnown bool
	order       []int // modules from users to used

	problems []Problem
	links    []Link
}

// build does everything in turn. What follows the reading of the modules is done by one goroutine.
func (b *builder) build() ([]table, error) {
	b.defaults()
	if err := b.readKernelSymbols(); err != nil {
		return nil, err
	}
	b.readConfig()
	if err := b.scan(); err != nil {
		return nil, err
	}
	b.sortAndRead()
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	b.reportUnreadable()
	b.collectSymbols()
	b.resolve()
	if err := b.sortDependencies(); err != nil {
		return nil, err
	}
	if (b.failed(Unreadable) || b.blind()) && !b.KeepGoing {
		return nil, ErrUnreadable
	}
	files, err := b.tables()
	if err != nil {
		return nil, err
	}
	if b.failed(BadKey) && !b.KeepGoing {
		return nil, ErrBadKey
	}
	return files, b.ctx.Err()
}

// readConfig reads the configuration.
func (b *builder) readConfig() {
	if b.Files != nil {
		b.config = moduledir.DefaultConfig()
		return
	}
	config, files, lines := moduledir.ReadConfig(b.FS, b.Config, b.Release)
	b.config = config
	for _, p := range files {
		b.report(Problem{Kind: Config, Path: p.Path, Text: p.Text, Err: p.Err})
	}
	for _, p := range lines {
		kind := ConfigLine
		if p.Note {
			kind = ConfigNote
		}
		b.report(Problem{Kind: kind, Path: p.Path, Line: p.Line, Text: p.Text})
	}
}

// sortAndRead sorts the modules and reads them, at the same time: neither needs anything of the other.
func (b *builder) sortAndRead() {
	list := slices.Clone(b.modules)
	var wg sync.WaitGroup
	wg.Go(b.sortModules)
	b.readModules(list)
	wg.Wait()
}

// defaults fills in what the Options leave out.
func (b *builder) defaults() {
	if b.FS == nil {
		b.FS = os.DirFS("/")
	}
	if len(b.Overlay) > 0 {
		b.FS = overlay(append([]fs.FS{b.FS}, b.Overlay...))
	}
	b.FS = sysroot.Confine(b.FS)
	b.files = filesOf(b.FS)
	if b.Dir == "" {
		dir, _ := moduledir.Find(b.FS, "", b.Release) // what is wrong with it is found out when it is searched
		b.Dir = dir.Path
	}
	b.Shown = cmp.Or(b.Shown, b.Dir)
	b.dir = inFS(b.Dir)
	if b.Config == nil {
		b.Config = ConfigDirs()
	}
	if b.Workers <= 0 {
		b.Workers = runtime.GOMAXPROCS(0)
	}
}

// report notes a problem.
func (b *builder) report(p Problem) { b.problems = append(b.problems, p) }

// failed reports whether there was a problem of that kind.
func (b *builder) failed(kind Kind) bool {
	return slices.ContainsFunc(b.problems, func(p Problem) bool { return p.Kind == kind })
}

// blind reports whether there may be modules where nothing could be seen. A link that leads nowhere hides none.
func (b *builder) blind() bool {
	return slices.ContainsFunc(b.problems, func(p Problem) bool {
		return (p.Kind == Directory || p.Kind == Entry) && !p.Dangling()
	})
}

// inFS returns the name that an fs.FS knows a path by.
func inFS(name string) string {
	name = path.Clean("/" + name)[1:]
	return cmp.Or(name, ".")
}

// open returns a file next to the modules, such as modules.order, or the problem that it is missing.
func (b *builder) open(name string) (data []byte, missing Problem) {
	data, err := readSmall(b.FS, path.Join(b.dir, name))
	if err != nil {
		missing = Problem{Kind: Missing, Path: b.Shown, Text: name, Err: err}
	}
	return data, missing
}

// maxSmall is the size in bytes up to which files that are not modules are read.
const maxSmall = 256 << 20

// readSmall reads a whole file.
func readSmall(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("more than %d bytes", maxSmall)}
	}
	return data, err
}

var errNotRegular = errors.New("not a regular file")

// join returns a path in a folder, both as shown.
func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// parallel calls do for 0 to n-1, several at a time, until the context ends.
func (b *builder) parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(b.Workers, n) {
		wg.Go(func() {
			for b.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
}

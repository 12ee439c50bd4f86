//go:build !kmod_boot

package depmod

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// maxPath is the length from which on a path is too long: PATH_MAX.
const maxPath = 4096

// depmodRun is a run of depmod.
type depmodRun struct {
	env *cli.Env
	log *cli.Logger
	*depmodArgs

	dir    string            // the folder of the modules, as shown
	out    string            // the folder of the tables
	places map[string]string // the names of configuration as typed, by what they were made into
}

// run makes the tables and writes them, or does what was asked for instead.
func (r *depmodRun) run(ctx context.Context) int {
	options := &depmod.Options{
		FS:           r.env.FS,
		Release:      r.version,
		SymbolPrefix: r.prefix,
		KeepGoing:    r.keepGoing,
		Links:        r.log.Level > cli.LevelWarning,
	}
	if !r.folders(options) {
		return 1
	}
	if r.quick && r.show {
		return 0 // as kmod, which has nothing to show then
	}
	if !r.show && !r.check {
		depmod.Recover(r.out) // if it fails, Install says why
	}
	if r.quick {
		outdated, err := depmod.Outdated(ctx, options)
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			r.log.Errorf("could not fstatat(%s, modules.dep): %s", r.dir, cli.Strerror(err))
		}
		if !outdated {
			return 0
		}
	}
	if r.errsyms && !r.hasSymvers && !r.hasFilesyms {
		r.log.Warningf("-e needs -E or -F")
		r.errsyms = false
	}
	if !r.configuration(options) || !r.modules(options) {
		return 1
	}
	file, ok := r.symbols(options)
	if !ok {
		return 1
	}
	if file != nil {
		defer file.Close()
	}
	if r.cache {
		r.readCache(options)
	}
	progress := cli.StartProgress(r.env, "modules read")
	options.Progress = progress.Set
	tables, err := depmod.Build(ctx, options)
	progress.End()
	return r.finish(tables, options, err)
}

// finish reports what Build has found, and puts the tables where they belong.
func (r *depmodRun) finish(tables *depmod.Tables, options *depmod.Options, err error) int {
	out := bufio.NewWriterSize(r.env.Stdout, 1<<16)
	if !r.json {
		for _, l := range tables.Links() {
			out.WriteString(l.Module + " needs \"" + l.Symbol + "\": " + l.Owner + "\n")
		}
		r.messages(tables.Problems())
	}
	status := 0
	var differences []depmod.Difference
	switch {
	case err != nil:
		r.failure(err)
		status = 1
	case r.check:
		var dir string
		if dir, err = cli.FSName(r.env.FS, r.out); err == nil {
			differences = tables.Compare(r.env.FS, dir)
		}
		if err != nil || len(differences) > 0 {
			status = 1
		}
	case r.show && r.json:
	case r.show:
		for _, name := range tables.Names() {
			if !strings.HasSuffix(name, ".bin") {
				tables.WriteFile(out, name) // an error stays in out until Flush
			}
		}
	default:
		if err = tables.InstallWith(r.out,
			&depmod.InstallOptions{Log: func(err error) { r.log.Warningf("%v", err) }}); err != nil {
			r.installFailure(err)
			status = 1
		}
	}
	if err == nil && r.cache && !r.check && !r.show {
		r.writeCache(options)
	}
	switch {
	case r.json:
		if err := r.writeJSON(out, tables.Problems(), differences, err); err != nil {
			r.log.Errorf("could not write: %s", cli.Strerror(err))
			return 1
		}
	case r.check:
		r.writeDifferences(out, differences)
	}
	if r.check && len(differences) > 0 {
		r.judge(options)
	}
	if err := out.Flush(); err != nil {
		r.log.Errorf("could not write: %s", cli.Strerror(err))
		return 1
	}
	return status
}

// folders works out where the modules are and where the tables go. Below -b symbolic links are followed inside that
// folder: they are those of the system that it is the root of.
func (r *depmodRun) folders(options *depmod.Options) bool {
	base, baseName := r.basedir, "."
	var err error
	if base != "" {
		if base, err = cli.Absolute(r.env, base); err == nil {
			baseName, err = cli.FSName(r.env.FS, base)
		}
	}
	outdir := r.outdir
	if err == nil && outdir != "" {
		outdir, err = cli.Absolute(r.env, outdir)
	}
	if err != nil {
		r.log.Errorf("could not open directory %s: %s", r.basedir+r.outdir, cli.Strerror(err))
		return false
	}
	options.FS = sysroot.Below(r.env.FS, baseName)
	root := sysroot.Sub(options.FS, baseName)
	bases := moduledir.Bases()
	if r.hasModuledir {
		bases = []string{r.moduledir}
	}
	dir, err := moduledir.FindIn(root, "", bases, r.version)
	r.dir = base + dir.Path
	r.out = r.dir
	if outdir != "" {
		r.out = outdir + dir.Path
	}
	for _, dir := range [...]string{r.dir, r.out} {
		if len(dir) >= maxPath {
			r.log.Errorf("Bad directory %s: path too long", dir)
			return false
		}
	}
	if err != nil {
		r.log.Errorf("could not open directory %s: %s", r.dir, cli.Strerror(err))
		return false
	}
	options.Dir, options.Shown = path.Join(baseName, dir.Name), r.dir
	// The tables go to where the links lead.
	if real, err := sysroot.Resolve(root, dir.Name); err == nil && real != dir.Name && baseName != "." &&
		outdir == "" {
		r.out = base + "/" + real
	}
	return true
}

// configuration works out where the configuration is.
func (r *depmodRun) configuration(options *depmod.Options) bool {
	if r.config == nil {
		return true
	}
	r.places = make(map[string]string)
	for _, name := range r.config {
		abs, err := cli.Absolute(r.env, name)
		if err == nil {
			abs, err = cli.FSName(r.env.FS, abs)
		}
		if err != nil {
			r.log.Errorf("%s: %s", name, cli.Strerror(err))
			return false
		}
		r.places["/"+abs] = name
		options.Config = append(options.Config, "/"+abs)
	}
	return true
}

// place returns the name of a configuration file as it was typed.
func (r *depmodRun) place(name string) string {
	if typed, ok := r.places[name]; ok {
		return typed
	}
	if typed, ok := r.places[path.Dir(name)]; ok {
		return strings.TrimSuffix(typed, "/") + "/" + path.Base(name)
	}
	return name
}

// modules works out which modules are meant.
func (r *depmodRun) modules(options *depmod.Options) bool {
	if len(r.operands) < 2 || r.all {
		return true
	}
	for _, name := range r.operands[1:] {
		if !strings.HasPrefix(name, "/") {
			r.log.Fatalf("%s: not absolute path.", name)
			return false
		}
		inFS, err := cli.FSName(r.env.FS, name)
		if err == nil {
			_, err = fs.Stat(r.env.FS, inFS)
		}
		if err != nil {
			r.log.Fatalf("could not create module %s: %s", name, cli.Strerror(err))
			return false
		}
	}
	options.Files = r.operands[1:]
	return true
}

// symbols opens System.map or Module.symvers; the file is nil if neither was named.
func (r *depmodRun) symbols(options *depmod.Options) (file io.Closer, ok bool) {
	name := r.filesyms
	if r.hasSymvers {
		name = r.symvers
	}
	if !r.hasSymvers && !r.hasFilesyms {
		return nil, true
	}
	f, err := r.open(name)
	if err != nil {
		r.log.Fatalf("could not load %s: %s", name, cli.Strerror(err))
		return nil, false
	}
	options.SymbolsName = name
	if r.hasSymvers {
		options.Symvers = f
	} else {
		options.SystemMap = f
	}
	return f, true
}

// open opens a file as it was typed.
func (r *depmodRun) open(name string) (fs.File, error) {
	abs, err := cli.Absolute(r.env, name)
	if err != nil {
		return nil, err
	}
	if abs, err = cli.FSName(r.env.FS, abs); err != nil {
		return nil, err
	}
	return r.env.FS.Open(abs)
}

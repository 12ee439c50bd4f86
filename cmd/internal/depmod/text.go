//go:build !kmod_boot

package depmod

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// messages says what Build has met with, in kmod's words.
func (r *depmodRun) messages(problems []depmod.Problem) {
	for _, p := range problems {
		if r.show && strings.HasSuffix(p.Table, ".bin") {
			continue // with -n the binary tables are not made
		}
		r.message(p)
	}
}

// message says one thing.
func (r *depmodRun) message(p depmod.Problem) {
	log := r.log
	switch p.Kind {
	case depmod.Config:
		var pathError *fs.PathError
		switch {
		case errors.Is(p.Err, confd.ErrDirectory):
			log.Errorf("Directories inside directories are not supported: %s", r.place(p.Path))
		case errors.As(p.Err, &pathError) && pathError.Op == "stat":
			log.Errorf("Cannot stat directory entry: %s", r.place(p.Path))
		default:
			log.Errorf("could not read %s: %s", r.place(p.Path), cli.Strerror(p.Err))
		}
	case depmod.ConfigLine:
		log.Errorf("%s:%d: ignoring bad line starting with '%s'", r.place(p.Path), p.Line, p.Text)
	case depmod.ConfigNote:
		log.Logf(cli.LevelInfo, "%s:%d: %s", r.place(p.Path), p.Line, p.Text)
	case depmod.Directory:
		log.Errorf("could not open directory %s: %s", p.Path, cli.Strerror(p.Err))
	case depmod.Entry:
		if p.Dangling() {
			log.Warningf("could not stat %s: %s", p.Path, cli.Strerror(p.Err))
			break
		}
		log.Errorf("could not stat %s: %s", p.Path, cli.Strerror(p.Err))
	case depmod.FileType:
		log.Errorf("unsupported file type %s: %o", p.Path, fileType(p.Mode))
	case depmod.Loop:
		log.Errorf("not entering %s: it leads back to a directory above it", p.Path)
	case depmod.Missing:
		log.Warningf("could not open %s at %s: %s", p.Text, p.Path, cli.Strerror(p.Err))
	case depmod.OrderLine:
		log.Errorf("%s:%d corrupted line misses '\\n'", p.Path, p.Line)
	case depmod.Unreadable:
		reason, detail := unreadable(p.Err)
		log.Errorf("failed to load symbols from %s: %s", p.Path, reason)
		level := cli.LevelError
		if r.keepGoing {
			level = cli.LevelNotice // it goes on as kmod does, in its words
		}
		if detail != nil {
			log.Logf(level, "%s: %v", p.Path, detail)
		}
	case depmod.SymbolLine:
		if p.Err != nil {
			log.Errorf("%s:%d Invalid symbol version %s: Invalid argument", p.Path, p.Line, p.Text)
		} else {
			log.Errorf("%s:%d: invalid line: %s", p.Path, p.Line, p.Text)
		}
	case depmod.NoSymbols:
		if r.errsyms {
			log.Warningf("%s", p)
		}
	case depmod.Unresolved:
		if r.errsyms {
			log.Warningf("%s needs unknown symbol %s", p.Path, p.Symbol)
		}
	case depmod.Disagrees:
		if r.errsyms {
			log.Warningf("%s disagrees about version of symbol %s", p.Path, p.Symbol)
		}
	case depmod.Cycle:
		log.Errorf("Cycle detected: %s", strings.Join(p.Modules, " -> "))
	case depmod.Bracket:
		log.Warningf("Unmatched bracket in %s", p.Text)
	case depmod.DevName:
		log.Errorf("Module '%s' has devname (%s) but lacks major and minor information. Ignoring.", p.Module,
			p.Text)
	case depmod.BuiltinLine:
		log.Errorf("Invalid modules.builtin line: %s", p.Text)
	case depmod.BadKey:
		i := strings.IndexFunc(p.Text, func(c rune) bool { return c == 0 || c >= 0x80 })
		c := p.Text[max(i, 0)]
		log.Fatalf("Module index: bad character '%s'=0x%x - only 7-bit ASCII is supported:\n%s",
			string([]byte{c}), c, p.Text)
	case depmod.Duplicate:
		if r.warn {
			log.Warningf("duplicate module %s:\n%s %s", duplicateOf(p.Table), p.Symbol, p.Text)
		}
	}
}

// duplicateOf is what a binary table is called in the message about entries that are there twice.
func duplicateOf(table string) string {
	switch table {
	case "modules.dep.bin":
		return "deps"
	case "modules.symbols.bin":
		return "syms"
	}
	return "alias"
}

// fileType returns the type of a file as it is in the mode of stat(2).
func fileType(mode fs.FileMode) int {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return 0o010000
	case fs.ModeDevice | fs.ModeCharDevice:
		return 0o020000
	case fs.ModeDevice:
		return 0o060000
	case fs.ModeSocket:
		return 0o140000
	}
	return 0
}

// unreadable says why a module cannot be read, as kmod does, and what exactly is wrong and where, if that is known.
func unreadable(err error) (reason string, detail error) {
	var format *elf.FormatError
	var compressed *compress.Error
	switch {
	case errors.As(err, &compressed):
		return "Invalid argument", compressed
	case errors.Is(err, elf.ErrNotELF):
		return "Exec format error", nil
	case errors.As(err, &format):
		return "Invalid argument", format
	}
	return cli.Strerror(err), nil
}

// failure says why there are no tables.
func (r *depmodRun) failure(err error) {
	var cycle *depmod.CycleError
	switch {
	case errors.As(err, &cycle):
		r.log.Errorf("Found %d modules in dependency cycles!", cycle.Modules)
	case errors.Is(err, depmod.ErrUnreadable):
		r.log.Errorf("the tables in %s are left as they are; --keep-going makes tables all the same, with "+
			"nothing known of what cannot be read", r.out)
	case errors.Is(err, depmod.ErrBadKey):
		r.log.Errorf("the tables in %s are left as they are; --keep-going makes tables without this alias",
			r.out)
	default:
		r.log.Fatalf("could not search modules: %s", cli.Strerror(err))
	}
}

// installFailure says why the tables are not in place.
func (r *depmodRun) installFailure(err error) {
	var e *depmod.InstallError
	if !errors.As(err, &e) {
		r.log.Errorf("%v", err)
		return
	}
	reason := cli.Strerror(e.Err)
	switch e.Op {
	case "mkdir":
		r.log.Fatalf("could not create directory %s: %s", e.Dir, reason)
	case "open":
		r.log.Fatalf("could not open directory %s: %s", e.Dir, reason)
	case "create":
		r.log.Errorf("Could not create temporary file at '%s': %s", e.Dir, reason)
	case "sync":
		if e.Table == "" {
			r.log.Errorf("the tables are in place in %s, but the folder cannot be brought to the disk: "+
				"%s; after a loss of power the old tables may be back", e.Dir, reason)
			break
		}
		r.log.Errorf("Could not write index '%s': %s", e.Table, reason)
	case "rename":
		r.log.Errorf("Could not put '%s' in place in %s: %s", e.Table, e.Dir, reason)
	default:
		r.log.Errorf("Could not write index '%s': %s", e.Table, reason)
	}
	if err != error(e) {
		r.log.Errorf("the old tables could not all be put back: %v", err)
	}
}

// writeDifferences lists what --check has found.
func (r *depmodRun) writeDifferences(out *bufio.Writer, list []depmod.Difference) {
	for _, d := range list {
		fmt.Fprintf(out, "%s: %s\n", join(r.out, d.Table), d.Reason())
		for _, line := range d.Surplus {
			fmt.Fprintf(out, "-%s\n", line)
		}
		for _, line := range d.Lacking {
			fmt.Fprintf(out, "+%s\n", line)
		}
	}
}

// judge says what is wrong with the tables as a whole, if something is.
func (r *depmodRun) judge(options *depmod.Options) {
	if r.out != r.dir {
		return // the tables are not beside the modules
	}
	dirs := moduledir.ConfigDirs()
	if options.Config != nil {
		dirs = options.Config
	}
	config, _, _ := moduledir.ReadConfig(options.FS, dirs, options.Release) // Build has said what is wrong there
	fault := moduledir.Judge(options.FS, moduledir.Dir{Path: r.dir, Name: options.Dir, Exists: true}, config)
	if fault != nil {
		r.log.Hintf("%s", fault.Advice(r.dir, options.Release))
	}
}

// join returns the name of a file in a folder.
func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

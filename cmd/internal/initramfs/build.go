//go:build !kmod_boot

package initramfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// IDs of build's options that have no short name.
const (
	buildRoot = 256 + iota
	buildHost
	buildProfile
	buildUniversal
	buildAdd
	buildOmit
	buildNoHidden
	buildNoWeak
	buildAllowMissing
	buildFirmware
	buildConfig
	buildTables
	buildInit
	buildNoInit
	buildProgram
	buildCompress
	buildBase
	buildFile
	buildHook
	buildEarly
)

var buildOptions = []getopt.Option{
	{Long: "output", Short: 'o', ID: 'o', Arg: getopt.Required},
	{Long: "kernel", Short: 'k', ID: 'k', Arg: getopt.Required},
	{Long: "verbose", Short: 'v', ID: 'v'},
	{Long: "root", ID: buildRoot, Arg: getopt.Required},
	{Long: "host", ID: buildHost},
	{Long: "profile", ID: buildProfile, Arg: getopt.Required},
	{Long: "universal", ID: buildUniversal},
	{Long: "add", ID: buildAdd, Arg: getopt.Required},
	{Long: "omit", ID: buildOmit, Arg: getopt.Required},
	{Long: "no-hidden", ID: buildNoHidden},
	{Long: "no-weak", ID: buildNoWeak},
	{Long: "allow-missing", ID: buildAllowMissing, Arg: getopt.Optional},
	{Long: "firmware", ID: buildFirmware},
	{Long: "config", ID: buildConfig},
	{Long: "tables", ID: buildTables, Arg: getopt.Required},
	{Long: "init", ID: buildInit, Arg: getopt.Required},
	{Long: "no-init", ID: buildNoInit},
	{Long: "program", ID: buildProgram, Arg: getopt.Required},
	{Long: "compress", ID: buildCompress, Arg: getopt.Required},
	{Long: "base", ID: buildBase, Arg: getopt.Required},
	{Long: "file", ID: buildFile, Arg: getopt.Required},
	{Long: "hook", ID: buildHook, Arg: getopt.Required},
	{Long: "early", ID: buildEarly, Arg: getopt.Required},
}

// builder is the command line of build.
type builder struct {
	output, release, root string
	verbose               bool
	host, universal       bool
	profile               string
	allowMissing          bool            // all that is missing
	allowed               map[string]bool // what may be missing, with underscores
	init, program         string
	noInit                bool
	compression           initramfs.Compression
	bases, files, earlies []string
	hooks                 []string
	o                     initramfs.Options
}

// set takes one option.
func (b *builder) set(id int, value string) error {
	switch id {
	case 'o':
		b.output = value
	case 'k':
		b.release = value
	case 'v':
		b.verbose = true
	case buildRoot:
		b.root = value
	case buildHost:
		b.host = true
	case buildProfile:
		b.profile = value
	case buildUniversal:
		b.universal = true
	case buildAdd:
		b.o.Add = append(b.o.Add, value)
	case buildOmit:
		b.o.Omit = append(b.o.Omit, value)
	case buildNoHidden:
		b.o.NoHidden = true
	case buildNoWeak:
		b.o.NoWeak = true
	case buildAllowMissing:
		if value == "" {
			b.allowMissing = true
		} else {
			b.allowed[underscores(value)] = true
		}
	case buildFirmware:
		b.o.Firmware = true
	case buildConfig:
		b.o.Config = true
	case buildInit:
		b.init, b.noInit = value, false
	case buildNoInit:
		b.init, b.noInit = "", true
	case buildProgram:
		b.program = value
	case buildBase:
		b.bases = append(b.bases, value)
	case buildFile:
		b.files = append(b.files, value)
	case buildHook:
		b.hooks = append(b.hooks, value)
	case buildEarly:
		b.earlies = append(b.earlies, value)
	case buildTables:
		return b.setTables(value)
	case buildCompress:
		return b.setCompression(value)
	}
	return nil
}

func (b *builder) setTables(value string) error {
	switch value {
	case "boot":
		b.o.Tables = initramfs.BootTables
	case "all":
		b.o.Tables = initramfs.AllTables
	case "none":
		b.o.Tables = initramfs.NoTables
	default:
		return fmt.Errorf("--tables=%s: there are boot, all and none", value)
	}
	return nil
}

func (b *builder) setCompression(value string) error {
	switch value {
	case "none":
		b.compression = initramfs.Plain
	case "zstd", "gzip", "xz":
		b.compression = initramfs.Compression(value)
	default:
		return fmt.Errorf("--compress=%s: there are none, zstd, gzip and xz", value)
	}
	return nil
}

// parseBuilder reads the options of build and check.
func parseBuilder(env *cli.Env, log *cli.Logger, args []string) (*builder, []string, bool) {
	b := &builder{program: "self", allowed: make(map[string]bool)}
	operands, ok := initramfsArgs(env, log, buildOptions, args, b.set)
	return b, operands, ok
}

// initramfsBuild runs goinitramfs build.
func initramfsBuild(env *cli.Env, log *cli.Logger, args []string) int {
	b, operands, ok := parseBuilder(env, log, args)
	if !ok {
		return 2
	}
	if len(operands) > 0 {
		log.Errorf("build takes no operands, but there is %q; modules are named with --add", operands[0])
		return 2
	}
	if err := b.build(env, log); err != nil {
		log.Errorf("%v", err)
		return 1
	}
	return 0
}

// build selects what belongs into the image, and writes it.
func (b *builder) build(env *cli.Env, log *cli.Logger) error {
	begin := env.Clock()
	fsys, err := b.fs(env)
	if err != nil {
		return err
	}
	hooks, err := b.readHooks(env, fsys)
	if err != nil {
		return err
	}
	sel, err := b.choose(env, log, fsys)
	if err != nil {
		return err
	}
	entries, err := sel.Entries()
	if err != nil {
		return err
	}
	base, archives, err := b.readBases(env)
	if err != nil {
		return err
	}
	files, err := b.programs(env, fsys, base, hooks)
	if err != nil {
		return err
	}
	entries = append(entries, files...)
	early, err := b.early(env, log, fsys)
	if err != nil {
		return err
	}
	o := &initramfs.WriteOptions{Compression: b.compression, Base: base}
	if o.ModTime, err = sourceDate(env); err != nil {
		return err
	}
	if b.verbose {
		summary(env.Stderr, sel)
	}
	if len(sel.Modules) == 0 {
		log.Warningf("the image has no modules: --host, --profile, --universal and --add say which")
	}
	size := int64(0)
	write := func(w io.Writer) error {
		counted := &countingWriter{w: w}
		err := b.write(log, counted, sel, archives, early, entries, o)
		size = counted.n
		return err
	}
	if b.output == "" || b.output == "-" {
		if cli.IsTerminal(env.Stdout) {
			return errors.New("the standard output is a terminal; --output names a file")
		}
		return write(env.Stdout)
	}
	if err := cli.SaveWith(env, b.output, write); err != nil {
		return err
	}
	if b.verbose || cli.IsTerminal(env.Stderr) {
		fmt.Fprintln(env.Stderr, ending(b.output, len(sel.Modules), size, env.Clock().Sub(begin)))
	}
	return nil
}

// ending is the last line about an image: its name, modules, size, and the time it took.
func ending(name string, modules int, size int64, took time.Duration) string {
	noun := "modules"
	if modules == 1 {
		noun = "module"
	}
	return fmt.Sprintf("%s: %d %s, %.1f MB, %.1f s", printable(name), modules, noun,
		float64(size)/1e6, took.Seconds())
}

// Chmod changes the mode of the file behind, if it is one.
func (c *countingWriter) Chmod(mode fs.FileMode) error {
	if f, ok := c.w.(interface{ Chmod(fs.FileMode) error }); ok {
		return f.Chmod(mode)
	}
	return nil
}

// countingWriter counts what goes through it.
type countingWriter struct {
	w io.Writer
	n int64
}

// Write writes and counts.
func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// write writes the image: the early member, the archives of --base, then the entries.
func (b *builder) write(
	log *cli.Logger, w io.Writer, sel *initramfs.Selection, archives [][]byte,
	early, entries []initramfs.Entry, o *initramfs.WriteOptions,
) error {
	if f, ok := w.(interface{ Chmod(fs.FileMode) error }); ok && initramfs.Private(entries) {
		if err := f.Chmod(0o600); err != nil { // nobody shall read a key by way of the image
			return err
		}
	}
	if len(early) > 0 {
		if err := initramfs.Write(w, early, &initramfs.WriteOptions{ModTime: o.ModTime}); err != nil {
			return err
		}
	}
	for _, data := range archives {
		if _, err := w.Write(data); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, -len(data)&511)); err != nil {
			return err
		}
	}
	if o.Base.HasTables(sel.Release) && b.o.Tables != initramfs.NoTables {
		log.Warningf("--base has modules of the kernel %s already, and modprobe in the image will "+
			"not find those that are not in the new part as well", sel.Release)
	}
	if b.init == "" && !b.noInit && b.program != "none" && !o.Base.HasInit() {
		entries = append(entries, initramfs.Link("init", "sbin/gomodprobe"))
	}
	progress := cli.StartProgress(log.Env, "files written")
	defer progress.End()
	o.Progress = progress.Set
	return initramfs.Write(w, entries, o)
}

// fs returns the file system that modules are taken from.
func (b *builder) fs(env *cli.Env) (fs.FS, error) {
	if b.root == "" {
		return env.FS, nil
	}
	root, err := cli.Absolute(env, b.root)
	if err != nil {
		return nil, err
	}
	fsys, err := env.Sub(root)
	return sysroot.Still(fsys), err
}

// programs returns gomodprobe with its links, and what --file, --init and --hook name, with all that needs to run.
func (b *builder) programs(
	env *cli.Env, fsys fs.FS, base *initramfs.Base, hooks []*hook,
) (out []initramfs.Entry, err error) {
	if out, err = b.self(env); err != nil {
		return nil, err
	}
	s := &sources{env: env, machine: initramfs.NewSystem(env.FS)}
	s.system = s.machine
	if b.root != "" {
		if s.root, err = cli.Absolute(env, b.root); err != nil {
			return nil, err
		}
		s.root, s.fsys, s.system = path.Clean(s.root), fsys, initramfs.NewSystem(fsys)
	}
	collected := initramfs.NewFiles(base)
	files := b.files
	if b.init != "" {
		files = append(files[:len(files):len(files)], b.init+":init")
	}
	for _, f := range files {
		if err := s.add(collected, f); err != nil {
			return nil, err
		}
	}
	for _, h := range hooks {
		if err := h.add(collected, s.system); err != nil {
			return nil, err
		}
	}
	more, err := collected.Entries()
	return append(out, more...), err
}

// self returns the entries of gomodprobe.
func (b *builder) self(env *cli.Env) ([]initramfs.Entry, error) {
	from := b.program
	switch from {
	case "none":
		return nil, nil
	case "self":
		from = "/proc/self/exe"
	}
	abs, err := cli.Absolute(env, from)
	if err != nil {
		return nil, err
	}
	name, err := sysroot.Name(env.FS, abs)
	if err != nil {
		return nil, err
	}
	e, err := initramfs.Copy("sbin/gomodprobe", 0o755, env.FS, name)
	if err != nil {
		return nil, err
	}
	entries := []initramfs.Entry{e}
	for _, l := range []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod"} {
		entries = append(entries, initramfs.Link("sbin/"+l, "gomodprobe"))
	}
	return entries, nil
}

// sources is where --file takes files from.
type sources struct {
	env             *cli.Env
	root            string // of --root, absolute; empty without it
	fsys            fs.FS  // below root
	machine, system *initramfs.System
}

// add puts the file or folder of FILE:PATH, or FILE, which has the same path in the image, into the collection. A path
// that is below --root, or is there when it is taken as one of that system, is that system's; others are this
// machine's.
func (s *sources) add(files *initramfs.Files, arg string) error {
	from, to, ok := strings.Cut(arg, ":")
	abs, err := cli.Absolute(s.env, from)
	if err != nil {
		return err
	}
	system := s.machine
	if s.root != "" {
		if inside, below := strings.CutPrefix(path.Clean(abs), strings.TrimSuffix(s.root, "/")+"/"); below {
			system, abs = s.system, "/"+inside
		} else if path.IsAbs(from) {
			if _, err := fs.Stat(s.fsys, strings.TrimPrefix(path.Clean(from), "/")); err == nil {
				system = s.system
			}
		}
	}
	if !ok {
		to = abs
	}
	name := strings.TrimPrefix(path.Clean(abs), "/")
	if system == s.machine {
		if name, err = sysroot.Name(s.env.FS, abs); err != nil {
			return err
		}
	}
	if err := files.Add(system, name, strings.TrimPrefix(path.Clean("/"+to), "/")); err != nil {
		return fmt.Errorf("%s: %w", from, cli.Bare(err))
	}
	return nil
}

// readBases reads the archives that come first, and returns what is in them as well.
func (b *builder) readBases(env *cli.Env) (*initramfs.Base, [][]byte, error) {
	base := new(initramfs.Base)
	var archives [][]byte
	for _, name := range b.bases {
		data, err := readArg(env, name)
		if err != nil {
			return nil, nil, err
		}
		if err := base.Read(data); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		archives = append(archives, data)
	}
	return base, archives, nil
}

// sourceDate is the time for all entries.
func sourceDate(env *cli.Env) (uint32, error) {
	text := env.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("SOURCE_DATE_EPOCH=%s is not a number of seconds below 2^32", text)
	}
	return uint32(n), nil
}

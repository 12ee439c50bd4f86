package modinfo

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/modinfo"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A modinfoTarget is one module to show.
type modinfoTarget struct {
	name    string // of the module; "" stands for the one that the path tells
	path    string // of the file, as it is shown
	file    string // the same as a name in the file system, if that is known
	builtin bool
	failure string // if the operand led nowhere: what to say
	hint    string // and why
}

// A modinfoFinder leads from operands to modules.
type modinfoFinder struct {
	env    *cli.Env
	prober *modprobe.Prober
	names  bool // operands are names of modules, neither files nor aliases
	whole  bool // modules are read as a whole, for more than their fields

	providersOf sync.Map // symbol → names of modules
}

func newModinfoFinder(env *cli.Env, args *modinfoArgs, report func(error)) (*modinfoFinder, error) {
	f := &modinfoFinder{env: env, names: args.modname, whole: args.view != 0}
	dir := args.basedir
	if dir != "" {
		var err error
		if dir, err = cli.Absolute(env, dir); err != nil {
			return nil, err
		}
	}
	var err error
	f.prober, err = modprobe.New(&modprobe.Options{
		FS: env.FS, Dir: dir, Release: args.release, Kernel: env.Kernel, NoConfig: true, Log: report, Facts: cli.Facts(env),
	})
	return f, err
}

// find calls found for the modules an operand stands for, or for one with a failure.
func (f *modinfoFinder) find(operand string, found func(*modinfoTarget)) {
	if f.names {
		if m, ok := f.prober.Module(operand); ok {
			found(newTarget(m))
			return
		}
		found(&modinfoTarget{failure: "Module name " + operand + " not found."})
		return
	}
	// A path is a file whatever it is called; a bare name may be a module's, so only the names that module files
	// have count.
	if strings.Contains(operand, "/") || moduledir.IsModule(operand) {
		if t := f.file(operand); t != nil {
			found(t)
			return
		}
	}
	if _, err := alias.Normalize(operand); err != nil {
		found(&modinfoTarget{failure: "Module alias " + operand + " not found."})
		return
	}
	list, hint := f.resolve(operand)
	for _, t := range list {
		found(t)
	}
	if list == nil {
		if t := f.file(operand); t != nil && strings.Contains(operand, ".") { // no name of a module has a dot
			found(t)
			return
		}
		found(&modinfoTarget{failure: "Module " + operand + " not found.", hint: hint})
	}
}

// resolve returns the modules that a name stands for; if there are none, perhaps a hint why.
func (f *modinfoFinder) resolve(name string) (list []*modinfoTarget, hint string) {
	if strings.HasPrefix(name, "/") {
		return nil, "" // a path would be taken for a file, whatever its extension
	}
	modules, err := f.prober.Resolve(name)
	if errors.Is(err, modprobe.ErrNoTables) {
		return nil, cli.NoTree(f.prober, "")
	}
	if err != nil {
		return nil, cli.Unlisted(f.prober, name)
	}
	for _, m := range modules {
		t := newTarget(m)
		list = append(list, t)
		if m.Path != "" || m.Builtin {
			continue
		}
		// kmod takes it for builtin. That is right for what can only be built in, which modules.builtin
		// does not list.
		t.builtin = true
		if !f.recorded(t) {
			t.failure = "Module " + name + " not found."
			t.hint = fmt.Sprintf("%s leads to the module %s, which is not in %s; depmod makes "+
				"the tables anew", name, m.Name, f.prober.Dir())
		}
	}
	return list, ""
}

// recorded reports whether the kernel's build recorded something about a
// builtin module.
func (f *modinfoFinder) recorded(t *modinfoTarget) bool {
	m, err := f.open(t)
	if err != nil {
		return false
	}
	for range m.Fields() {
		return true
	}
	return false
}

func newTarget(m modprobe.Module) *modinfoTarget {
	return &modinfoTarget{name: m.Name, path: m.Path, builtin: m.Builtin}
}

// file returns the module in the file an operand names; nil if it is not a file.
func (f *modinfoFinder) file(operand string) *modinfoTarget {
	abs, err := cli.Absolute(f.env, operand)
	if err != nil {
		return nil
	}
	name, err := cli.FSName(f.env.FS, abs)
	if err != nil {
		return nil
	}
	if fi, err := fs.Stat(f.env.FS, name); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	return &modinfoTarget{path: abs, file: name}
}

// moduleName is the name for messages.
func (t *modinfoTarget) moduleName() string {
	if t.name == "" {
		return alias.FromPath(t.path)
	}
	return t.name
}

// open reads what a module says about itself.
func (f *modinfoFinder) open(t *modinfoTarget) (*modinfo.Module, error) {
	if t.builtin {
		dir, err := cli.FSName(f.env.FS, f.prober.Dir())
		if err != nil {
			return nil, err
		}
		m, err := modinfo.Builtin(f.env.FS, dir, t.name)
		if errors.Is(err, fs.ErrNotExist) {
			m, err = &modinfo.Module{Builtin: true}, nil // as kmod: nothing is known about it
		}
		return m, err
	}
	name := t.file
	if name == "" {
		var err error
		if name, err = cli.FSName(f.env.FS, t.path); err != nil {
			return nil, err
		}
	}
	if !f.whole {
		return modinfo.Open(f.env.FS, name)
	}
	if fi, err := fs.Stat(f.env.FS, name); err == nil && fi.Size() > modinfo.MaxSize {
		return nil, modinfo.ErrTooLarge
	}
	image, err := fs.ReadFile(f.env.FS, name)
	if err != nil {
		return nil, err
	}
	return modinfo.Parse(image)
}

// providers returns the names of the modules of the tree that export a symbol.
func (f *modinfoFinder) providers(symbol string) []string {
	if list, ok := f.providersOf.Load(symbol); ok {
		return list.([]string)
	}
	modules, _ := f.prober.Resolve("symbol:" + symbol)
	var list []string
	for _, m := range modules {
		list = append(list, m.Name)
	}
	f.providersOf.Store(symbol, list)
	return list
}

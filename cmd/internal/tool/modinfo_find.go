package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/index"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// A modinfoFinder leads from operands to modules.
type modinfoFinder struct {
	env  *Env
	args *modinfoArgs
	dir  string // the module directory, absolute

	deps, aliases, symbols, builtins, builtinAliases *index.Index
}

func newModinfoFinder(env *Env, args *modinfoArgs) (*modinfoFinder, error) {
	f := &modinfoFinder{env: env, args: args}
	release := args.release
	if release == "" {
		var err error
		if release, err = env.Kernel.Release(); err != nil {
			return nil, err
		}
	}
	base := args.basedir
	if base != "" {
		var err error
		if base, err = absolute(env, base); err != nil {
			return nil, err
		}
	}
	f.dir = base + "/lib/modules/" + release
	f.deps = f.index("modules.dep.bin")
	f.aliases = f.index("modules.alias.bin")
	f.symbols = f.index("modules.symbols.bin")
	f.builtins = f.index("modules.builtin.bin")
	f.builtinAliases = f.index("modules.builtin.alias.bin")
	return f, nil
}

func (f *modinfoFinder) index(name string) *index.Index {
	n, _ := fsName(f.env.FS, f.dir+"/"+name)
	x, err := index.Open(f.env.FS, n)
	if err != nil {
		x, _ = index.Parse([]byte("\xb0\x07\xf4\x57\x00\x02\x00\x01\x00\x00\x00\x00"))
	}
	return x
}

func (f *modinfoFinder) close() {}

func (f *modinfoFinder) targets(operands []string) func(yield func(*modinfoTarget) bool) {
	return func(yield func(*modinfoTarget) bool) {
		for _, operand := range operands {
			for _, t := range f.find(operand) {
				if !yield(t) {
					return
				}
			}
		}
	}
}

func (f *modinfoFinder) find(operand string) []*modinfoTarget {
	if f.args.modname {
		if t := f.byName(alias.ModName(operand)); t != nil {
			return []*modinfoTarget{t}
		}
		return []*modinfoTarget{{found: fmt.Errorf("Module name %s not found.", operand)}}
	}
	if isModuleFile(operand) {
		abs, err := absolute(f.env, operand)
		if err == nil {
			name, _ := fsName(f.env.FS, abs)
			if fi, err := fs.Stat(f.env.FS, name); err == nil && fi.Mode().IsRegular() {
				return []*modinfoTarget{{name: alias.FromPath(abs), path: abs}}
			}
		}
	}
	key, err := alias.Normalize(operand)
	if err != nil {
		return []*modinfoTarget{{found: fmt.Errorf("Module alias %s not found.", operand)}}
	}
	if t := f.byName(key); t != nil {
		return []*modinfoTarget{t}
	}
	var list []*modinfoTarget
	for _, x := range []*index.Index{f.symbols, f.aliases, f.builtinAliases} {
		for _, v := range x.Search(nil, key) {
			if t := f.byName(v.Value); t != nil {
				list = append(list, t)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return []*modinfoTarget{{found: fmt.Errorf("Module %s not found.", operand)}}
}

func (f *modinfoFinder) byName(name string) *modinfoTarget {
	if v, ok := f.deps.Lookup(name); ok {
		file, _, _ := strings.Cut(v, ":")
		if !strings.HasPrefix(file, "/") {
			file = f.dir + "/" + file
		}
		return &modinfoTarget{name: name, path: file}
	}
	if _, ok := f.builtins.Lookup(name); ok {
		return &modinfoTarget{name: name, builtin: true}
	}
	return nil
}

// isModuleFile reports whether a name ends as those of module files do.
func isModuleFile(name string) bool {
	for _, ext := range []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"} {
		if len(name) > len(ext) && strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// open reads what a module says about itself.
func (f *modinfoFinder) open(t *modinfoTarget) (*modinfo.Module, error) {
	if t.builtin {
		dir, err := fsName(f.env.FS, f.dir)
		if err != nil {
			return nil, err
		}
		m, err := modinfo.Builtin(f.env.FS, dir, t.name)
		if errors.Is(err, fs.ErrNotExist) {
			m, err = &modinfo.Module{Builtin: true}, nil // as kmod: nothing is known about it
		}
		return m, err
	}
	name, err := fsName(f.env.FS, t.path)
	if err != nil {
		return nil, err
	}
	if f.args.view == 0 {
		return modinfo.Open(f.env.FS, name)
	}
	image, err := fs.ReadFile(f.env.FS, name)
	if err != nil {
		return nil, err
	}
	return modinfo.Parse(image)
}

// providers returns the names of the modules of the tree that export a symbol.
func (f *modinfoFinder) providers(symbol string) []string {
	var list []string
	for _, v := range f.symbols.Search(nil, "symbol:"+symbol) {
		list = append(list, v.Value)
	}
	return list
}

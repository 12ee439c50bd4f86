//go:build !kmod_boot

package modinfo

import (
	"bufio"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// readModules reads the modules of all operands as the kernel sees them. Messages have been shown if ok is false. With
// each, modules are handed to it one after the other, and none is kept: each is good until it returns.
func (f *modinfoFinder) readModules(
	log *cli.Logger, operands []string, each func(*kernel.Module),
) (list []*kernel.Module, ok bool) {
	ok = true
	read := func(t *modinfoTarget) error {
		switch {
		case t.failure != "":
			return errors.New(t.failure)
		case t.path == "":
			return fmt.Errorf("%s is a part of the kernel: it has no file", t.name)
		}
		name, err := cli.FSName(f.env.FS, t.path)
		take := func(image []byte, _ compress.Format) error {
			m := kernel.ReadModule(path.Clean(t.path), image)
			if m.Err() == nil && each != nil {
				each(m)
			} else if m.Err() == nil {
				list = append(list, m)
			}
			return m.Err()
		}
		switch {
		case err != nil:
		case each != nil:
			err = compress.UseFile(f.env.FS, name, 0, take)
		default:
			var image []byte
			if image, _, err = compress.ReadFile(f.env.FS, name, nil, 0); err == nil {
				err = take(image, compress.None)
			}
		}
		if err != nil {
			return fmt.Errorf("could not read %s: %s", t.path, cli.Strerror(err))
		}
		return nil
	}
	for _, operand := range operands {
		f.find(operand, func(t *modinfoTarget) {
			if err := read(t); err != nil {
				log.Errorf("%v", err)
				ok = false
			}
		})
	}
	return list, ok
}

// runModinfoFiles is modinfo --diff and --dump-symvers.
func runModinfoFiles(env *cli.Env, log *cli.Logger, args *modinfoArgs) int {
	finder, err := newModinfoFinder(env, args, func(err error) { log.Hintf("%v", err) })
	if err != nil {
		log.Errorf("%v", err)
		return 1
	}
	out := bufio.NewWriter(env.Stdout)
	var each func(*kernel.Module)
	if args.view == modinfoSymvers {
		each = func(m *kernel.Module) {
			file := symversPath(m.Path, finder.prober.Dir())
			kernel.WriteSymvers(out, m.Exports, func(string) string { return file }) // out keeps the error
		}
	}
	list, ok := finder.readModules(log, args.operands, each)
	status := 0
	if !ok {
		status = 1
	}
	switch {
	case each != nil:
	case len(list) == 2:
		d := differ{out: out, a: list[0], b: list[1]}
		d.run()
	case ok:
		log.Errorf("--diff compares two modules, not %d", len(list))
		status = 1
	}
	if err := out.Flush(); err != nil {
		log.Errorf("could not write: %s", cli.Strerror(err))
		return 1
	}
	return status
}

// symversPath is what Module.symvers has in its third column: the path in the kernel's sources for a module of the
// tree, else the path of the file, without extension.
func symversPath(file, dir string) string {
	if i := strings.LastIndex(file, ".ko"); i > 0 {
		file = file[:i]
	}
	if in, ok := strings.CutPrefix(file, dir+"/kernel/"); ok {
		return in
	}
	return file
}

// A differ writes down what is different in two modules; nothing if nothing is.
type differ struct {
	out   *bufio.Writer
	a, b  *kernel.Module
	begun bool
}

func (d *differ) run() {
	magicA, _ := d.a.Field("vermagic")
	magicB, _ := d.b.Field("vermagic")
	fields := kernel.DiffVermagic(magicA, magicB)
	for _, f := range fields {
		d.changed("vermagic "+f.Field, f.Module, f.Kernel)
	}
	if len(fields) == 0 && magicA != magicB {
		d.changed("vermagic", magicA, magicB)
	}
	for _, key := range []string{"name", "version", "srcversion", "license", "depends", "softdep", "weakdep",
		"import_ns", "firmware", "intree", "retpoline"} {
		d.lists(key, d.a.Fields(key), d.b.Fields(key))
	}
	d.lists("parameter", params(d.a), params(d.b))
	d.lists("alias", d.a.Fields("alias"), d.b.Fields("alias"))
	if a, b := structText(d.a), structText(d.b); a != b {
		d.changed("struct module", a, b)
	}
	if a, b := signedBy(d.a), signedBy(d.b); a != b {
		d.changed("signature", a, b)
	}
	d.tables("version of", versionTable(d.a), versionTable(d.b))
	d.tables("export", exportTable(d.a), exportTable(d.b))
	d.lists("import", importNames(d.a), importNames(d.b))
}

// changed writes one difference; an empty side is lacking.
func (d *differ) changed(what, a, b string) {
	if !d.begun {
		d.begun = true
		fmt.Fprintf(d.out, "--- %s\n+++ %s\n", d.a.Path, d.b.Path)
	}
	if a != "" {
		fmt.Fprintf(d.out, "-%s: %s\n", what, a)
	}
	if b != "" {
		fmt.Fprintf(d.out, "+%s: %s\n", what, b)
	}
}

// lists writes what only one of two lists has.
func (d *differ) lists(what string, a, b []string) {
	inA, inB := setOf(a), setOf(b)
	for _, s := range a {
		if !inB[s] {
			d.changed(what, s, "")
		}
	}
	for _, s := range b {
		if !inA[s] {
			d.changed(what, "", s)
		}
	}
}

// setOf returns the strings of a list, of which a module may have a million.
func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// tables writes what differs in two tables, by name; module_layout, which says most, comes first.
func (d *differ) tables(what string, a, b map[string]string) {
	var names []string
	for n := range a {
		names = append(names, n)
	}
	for n := range b {
		if _, both := a[n]; !both {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	if i, ok := slices.BinarySearch(names, kernel.LayoutSymbol); ok {
		copy(names[1:], names[:i])
		names[0] = kernel.LayoutSymbol
	}
	for _, n := range names {
		if a[n] != b[n] {
			d.changed(what+" "+n, a[n], b[n])
		}
	}
}

// params lists parameters with their types.
func params(m *kernel.Module) (list []string) {
	for _, p := range m.Fields("parmtype") {
		name, typ, _ := strings.Cut(p, ":")
		list = append(list, name+" ("+typ+")")
	}
	return list
}

func structText(m *kernel.Module) string {
	return fmt.Sprintf("%d bytes, init at %d, exit at %d", m.Size, m.Init, m.Exit)
}

// signedBy names the key that a module is signed with.
func signedBy(m *kernel.Module) string {
	switch s := m.Signature.Signer; {
	case !m.Signature.Present:
		return "none"
	case s == nil:
		return "damaged or of another kind"
	default:
		return fmt.Sprintf("by %q, key %x", s.Issuer, s.Serial)
	}
}

func versionTable(m *kernel.Module) map[string]string {
	table := map[string]string{}
	for _, v := range m.Versions {
		table[v.Name] = fmt.Sprintf("0x%08x", v.CRC)
	}
	return table
}

func exportTable(m *kernel.Module) map[string]string {
	table := map[string]string{}
	for _, e := range m.Exports {
		text := fmt.Sprintf("0x%08x", e.CRC)
		if e.GPL {
			text += " GPL"
		}
		if e.Namespace != "" {
			text += " " + e.Namespace
		}
		table[e.Name] = text
	}
	return table
}

// importNames lists imports; those with versions are compared by them as well.
func importNames(m *kernel.Module) (list []string) {
	for _, im := range m.Imports {
		name := im.Name
		if im.Weak {
			name += " (weak)"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

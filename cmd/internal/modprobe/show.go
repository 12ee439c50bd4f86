package modprobe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// showConfig is -c: the configuration, then the aliases of the modules.
func (r *modprobeRun) showConfig() int {
	c := r.p.Config()
	if r.json {
		r.out.JSON(newConfigJSON(r.p.Dir(), c))
		return 0
	}
	for _, name := range c.Blacklist {
		r.out.Line("blacklist ", name)
	}
	for _, x := range c.Install {
		r.out.Line("install ", x.Pattern, " ", x.Text)
	}
	for _, x := range c.Remove {
		r.out.Line("remove ", x.Pattern, " ", x.Text)
	}
	for _, a := range c.Aliases {
		r.out.Line("alias ", a.Pattern, " ", a.Module)
	}
	for _, o := range c.Options {
		r.out.Line("options ", o.Module, " ", o.Text)
	}
	for _, s := range c.Softdeps {
		r.out.Line("softdep ", s.Pattern, " ", softdepText(s))
	}
	for _, w := range c.Weakdeps {
		r.out.Line("weakdep ", w.Pattern, " ", strings.Join(w.Modules, " "))
	}
	r.showRules(c)
	r.out.Line("\n# End of configuration files. Dumping indexes now:\n")
	for a := range r.p.Aliases() {
		r.out.Line("alias ", a.Pattern, " ", a.Module)
	}
	return 0
}

// showRules prints the forbid and allow lines in the order in which they count.
func (r *modprobeRun) showRules(c *modprobe.Config) {
	if len(c.Forbid)+len(c.Allow) > 0 {
		r.out.Line("# Of the forbid and allow lines about a module the first one counts:")
	}
	for _, wild := range []bool{false, true} {
		show := func(word string, rules []modprobe.Rule) {
			for _, x := range rules {
				if x.Wildcard() == wild {
					r.out.Line(word, " ", strings.TrimRight(x.Pattern+" "+x.Reason, " "))
				}
			}
		}
		show("allow", c.Allow)
		show("forbid", c.Forbid)
	}
}

// softdepText is a softdep as it is written in a file.
func softdepText(s modprobe.Softdep) string {
	var parts []string
	if len(s.Pre) > 0 {
		parts = append(parts, "pre: "+strings.Join(s.Pre, " "))
	}
	if len(s.Post) > 0 {
		parts = append(parts, "post: "+strings.Join(s.Post, " "))
	}
	return strings.Join(parts, " ")
}

// showSymbols is --show-modversions and --show-exports: of a file, or else of the modules a name stands for.
func (r *modprobeRun) showSymbols(operand string) int {
	if name, ok := r.file(operand); ok {
		return r.showSymbolsOf(operand, name)
	}
	modules, err := r.p.Resolve(operand)
	if err != nil || isPath(operand) {
		r.Fatalf("Module %s not found.", operand)
		return 1
	}
	status := 0
	for _, m := range modules {
		name, err := cli.FSName(r.from.FS, m.Path)
		if m.Path == "" || err != nil {
			r.Fatalf("Module %s not found.", operand)
			return 1
		}
		status |= r.showSymbolsOf(m.Name, name)
	}
	return status
}

// showSymbolsOf prints the symbols of one file.
func (r *modprobeRun) showSymbolsOf(operand, name string) int {
	what, list := "modversions", versions
	if r.symbols == optExports {
		what, list = "symbols", exports
	}
	image, _, err := compress.ReadFile(r.from.FS, name, nil, 0)
	if err == nil {
		var f *elf.File
		if f, err = elf.Parse(image); err == nil {
			err = list(f, func(crc uint64, name string) { fmt.Fprintf(r.out, "0x%08x\t%s\n", crc, name) })
		}
	}
	if err != nil {
		r.Fatalf("could not get %s of %s: %s", what, operand, moduleText(err))
		return 1
	}
	return 0
}

// versions calls print for each symbol that a module imports.
func versions(f *elf.File, print func(uint64, string)) error {
	list, err := f.Versions()
	if errors.Is(err, elf.ErrNoSection) {
		list, err = f.ExtVersions()
	}
	for _, v := range list {
		print(v.CRC, v.Name)
	}
	return err
}

// exports calls print for each symbol that a module exports.
func exports(f *elf.File, print func(uint64, string)) error {
	list, err := f.Exports()
	for _, e := range list {
		print(e.CRC, e.Name)
	}
	return err
}

// moduleText is kmod's text for a module file that cannot be used.
func moduleText(err error) string {
	switch {
	case errors.Is(err, elf.ErrNoSection):
		return "No data available"
	case errors.Is(err, elf.ErrNotELF):
		return "Exec format error"
	}
	var format *elf.FormatError
	var compressed *compress.Error
	if errors.As(err, &format) || errors.As(err, &compressed) {
		return "Invalid argument"
	}
	return cli.Strerror(err)
}

// printJSON prints, with --json, the steps of all plans, or with -R what was found.
func (r *modprobeRun) printJSON(plans ...modprobe.Plan) {
	if !r.json {
		return
	}
	docs := []any{}
	for _, f := range r.found {
		docs = append(docs, f)
	}
	for _, plan := range plans {
		for _, s := range plan {
			docs = append(docs, newStepJSON(s))
		}
	}
	r.out.JSON(docs)
}

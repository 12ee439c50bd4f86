package modprobe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/jsonw"
	"github.com/gomodprobe/gomodprobe/internal/koelf"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// showConfig is -c: the configuration, then the aliases of the modules.
func (r *modprobeRun) showConfig() int {
	c := r.p.Config()
	if r.json {
		return r.configJSON(c)
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
	for _, x := range c.Forbid {
		r.out.Line("forbid ", strings.TrimRight(x.Pattern+" "+x.Reason, " "))
	}
	for _, x := range c.Allow {
		r.out.Line("allow ", strings.TrimRight(x.Pattern+" "+x.Reason, " "))
	}
	r.out.Line("\n# End of configuration files. Dumping indexes now:\n")
	for a := range r.p.Aliases() {
		r.out.Line("alias ", a.Pattern, " ", a.Module)
	}
	return 0
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
		var f *koelf.File
		if f, err = koelf.Parse(image); err == nil {
			err = list(f, func(crc uint64, name string) { fmt.Fprintf(r.out, "0x%08x\t%s\n", crc, name) })
		}
	}
	if err != nil {
		r.Fatalf("could not get %s of %s: %s", what, operand, moduleText(err))
		return 1
	}
	return 0
}

// versions passes on the versions of what a module uses.
func versions(f *koelf.File, print func(uint64, string)) error {
	list, err := f.Versions()
	if errors.Is(err, koelf.ErrNoSection) {
		list, err = f.ExtVersions()
	}
	for _, v := range list {
		print(v.CRC, v.Name)
	}
	return err
}

// exports passes on what a module exports.
func exports(f *koelf.File, print func(uint64, string)) error {
	list, err := f.Exports()
	for _, e := range list {
		print(e.CRC, e.Name)
	}
	return err
}

// moduleText is kmod's word for what is wrong with a module file.
func moduleText(err error) string {
	switch {
	case errors.Is(err, koelf.ErrNoSection):
		return "No data available"
	case errors.Is(err, koelf.ErrNotELF):
		return "Exec format error"
	}
	var format *koelf.FormatError
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
	var w jsonw.Writer
	w.BeginArray()
	for _, f := range r.found {
		foundJSON(&w, f)
	}
	for _, plan := range plans {
		for _, s := range plan {
			stepJSON(&w, s)
		}
	}
	w.EndArray()
	r.out.Line(string(w.Bytes()))
}

// stepJSON writes one step.
func stepJSON(w *jsonw.Writer, s modprobe.Step) {
	w.BeginObject()
	field := func(key, value string) {
		if value != "" {
			w.Key(key)
			w.String(value)
		}
	}
	field("op", s.Op)
	field("module", s.Module.Name)
	field("alias", s.Module.Alias)
	field("path", s.Module.Path)
	field("params", strings.TrimRight(s.Params, " "))
	field("command", s.Command)
	w.Key("requested")
	w.Bool(s.Requested)
	w.Key("required")
	w.Bool(s.Required)
	if s.Err != nil {
		field("error", s.Err.Error())
	}
	w.EndObject()
}

// found is what an operand of -R stands for; no modules if it is not found.
type found struct {
	name    string
	modules []modprobe.Module
}

// foundJSON writes what an operand stands for.
func foundJSON(w *jsonw.Writer, f found) {
	w.BeginObject()
	w.Key("name")
	w.String(f.name)
	w.Key("modules")
	w.BeginArray()
	for _, m := range f.modules {
		w.BeginObject()
		w.Key("name")
		w.String(m.Name)
		if m.Path != "" {
			w.Key("path")
			w.String(m.Path)
		}
		w.Key("builtin")
		w.Bool(m.Builtin)
		w.Key("depends")
		w.Strings(m.Depends)
		w.EndObject()
	}
	w.EndArray()
	w.EndObject()
}

// configJSON prints the configuration, without the aliases of the modules.
func (r *modprobeRun) configJSON(c *modprobe.Config) int {
	var w jsonw.Writer
	pair := func(a, valueA, b, valueB string) {
		w.BeginObject()
		w.Key(a)
		w.String(valueA)
		w.Key(b)
		w.String(valueB)
		w.EndObject()
	}
	array := func(key string, n int, element func(int)) {
		w.Key(key)
		w.BeginArray()
		for i := range n {
			element(i)
		}
		w.EndArray()
	}
	w.BeginObject()
	w.Key("directory")
	w.String(r.p.Dir())
	w.Key("blacklist")
	w.Strings(c.Blacklist)
	array("install", len(c.Install), func(i int) { pair("pattern", c.Install[i].Pattern, "command", c.Install[i].Text) })
	array("remove", len(c.Remove), func(i int) { pair("pattern", c.Remove[i].Pattern, "command", c.Remove[i].Text) })
	array("alias", len(c.Aliases), func(i int) { pair("pattern", c.Aliases[i].Pattern, "module", c.Aliases[i].Module) })
	array("options", len(c.Options), func(i int) { pair("module", c.Options[i].Module, "params", c.Options[i].Text) })
	array("softdep", len(c.Softdeps), func(i int) {
		w.BeginObject()
		w.Key("pattern")
		w.String(c.Softdeps[i].Pattern)
		w.Key("pre")
		w.Strings(c.Softdeps[i].Pre)
		w.Key("post")
		w.Strings(c.Softdeps[i].Post)
		w.EndObject()
	})
	array("weakdep", len(c.Weakdeps), func(i int) {
		w.BeginObject()
		w.Key("pattern")
		w.String(c.Weakdeps[i].Pattern)
		w.Key("modules")
		w.Strings(c.Weakdeps[i].Modules)
		w.EndObject()
	})
	array("forbid", len(c.Forbid), func(i int) { pair("pattern", c.Forbid[i].Pattern, "reason", c.Forbid[i].Reason) })
	array("allow", len(c.Allow), func(i int) { pair("pattern", c.Allow[i].Pattern, "reason", c.Allow[i].Reason) })
	w.EndObject()
	r.out.Line(string(w.Bytes()))
	return 0
}

package modprobe

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/params"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// judge says what is odd about the parameters and the configuration of the modules that a plan inserts: the kernel
// passes over parameters that it does not know with a line in its log. typed are the parameters on the command line.
func (r *modprobeRun) judge(plan modprobe.Plan, typed string) {
	if r.Level < cli.LevelWarning || r.load.ShowAll {
		return
	}
	for _, s := range plan {
		if s.Op != modprobe.OpInsmod || s.Err != nil {
			continue
		}
		for _, line := range r.p.Ignored(s.Module.Name) {
			r.Hintf("%s:%d: this line about %s has no effect: %v", line.File, line.Line, s.Module.Name,
				line.Err)
		}
		if strings.TrimSpace(s.Params) == "" {
			continue
		}
		m := readParams(r, s.Module)
		for _, setting := range r.p.Config().Settings(s.Module) {
			text, comment := cutComment(setting.Text)
			where := setting.File
			if setting.Line > 0 {
				where = fmt.Sprintf("%s:%d", setting.File, setting.Line)
			}
			if comment != "" {
				r.Hintf("%s: %q is no comment behind options, "+
					"and goes to the kernel as parameters of %s; a comment has a line of its own",
					where, comment, s.Module.Name)
			}
			m.judge(text, " (from "+where+")")
		}
		if s.Requested {
			m.judge(typed, "")
		}
	}
}

// cutComment cuts off what looks like a comment behind options: a word that begins with "#", or one that ends in it
// and is followed by others.
func cutComment(text string) (rest, comment string) {
	for i := 0; i < len(text); i++ {
		if text[i] != '#' {
			continue
		}
		first := i == 0 || text[i-1] == ' '
		if first || i+1 < len(text) && text[i+1] == ' ' && strings.TrimSpace(text[i+1:]) != "" {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// module is what a module says of its parameters.
type module struct {
	r     *modprobeRun
	name  string
	info  []string
	image []byte
}

// readParams reads a module; one that cannot be read says nothing.
func readParams(r *modprobeRun, from modprobe.Module) *module {
	m := &module{r: r, name: from.Name}
	name, err := cli.FSName(r.from.FS, from.Path)
	if err != nil || from.Path == "" {
		return m
	}
	image, _, err := compress.ReadFile(r.from.FS, name, nil, 0)
	if err != nil {
		return m
	}
	if f, err := elf.Parse(image); err == nil {
		m.info, _ = f.Modinfo()
		m.image = image
	}
	return m
}

// judge says which of the parameters the module does not have; from says where they stand.
func (m *module) judge(text, from string) {
	list, _, _ := params.Split(text)
	for _, u := range params.NotIn(list, m.info, m.image) {
		hint := "; modinfo -p " + m.name + " lists those it has"
		if len(u.Near) > 0 {
			hint = "; is " + strings.Join(u.Near, " or ") + " meant?"
		}
		m.r.Hintf("%s has no parameter %s%s%s", m.name, u.Name, from, hint)
	}
}

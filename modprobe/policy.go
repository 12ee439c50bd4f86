package modprobe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// standing is what the forbid and allow lines about a module say together.
type standing int

const (
	unnamed   standing = iota // no line is about it
	allowed                   // an allow line counts
	forbidden                 // a forbid line with a wildcard counts: it may be loaded on behalf of an allowed one
	barred                    // a forbid line with its name counts
)

// line is a forbid or allow line as it is compared with names.
type line struct {
	*Rule
	allow, wild bool
	modules     []string // which the name stands for, spelled without wildcards
}

// matches reports whether the line is about a module.
func (l *line) matches(module string) bool {
	if l.wild {
		return glob.Match(l.Pattern, module)
	}
	return slices.Contains(l.modules, module)
}

// lines returns the forbid and allow lines; nil if nothing is forbidden.
func (p *Prober) lines() []line {
	t := p.tables.Load()
	t.linesOnce.Do(func() {
		c := p.base()
		if len(c.Forbid) == 0 {
			return
		}
		for _, list := range []struct {
			rules []Rule
			allow bool
		}{{c.Allow, true}, {c.Forbid, false}} {
			for i := range list.rules {
				t.lines = append(t.lines, p.line(&list.rules[i], list.allow))
			}
		}
	})
	return t.lines
}

// line finds out what a rule is about. A name that no module has can be an alias, and is about its modules.
func (p *Prober) line(r *Rule, allow bool) line {
	l := line{Rule: r, allow: allow, wild: r.Wildcard()}
	if l.wild {
		return l
	}
	l.modules = []string{r.Pattern}
	if _, builtin := p.builtin().Lookup(r.Pattern); !builtin && !p.hasModule(r.Pattern) {
		var buffer [8]node
		for _, n := range p.lookup(buffer[:0], r.Pattern) {
			l.modules = append(l.modules, strings.Clone(n.name))
		}
	}
	return l
}

// standing returns what the lines about a module say, and the line that counts: names before wildcards, and of each
// kind allow before forbid.
func (p *Prober) standing(module string) (standing, *Rule) {
	list := p.lines()
	for _, wild := range []bool{false, true} {
		for i := range list { // allow lines come first
			l := &list[i]
			switch {
			case l.wild != wild || !l.matches(module):
			case l.allow:
				return allowed, l.Rule
			case wild:
				return forbidden, l.Rule
			default:
				return barred, l.Rule
			}
		}
	}
	return unnamed, nil
}

// nodeStanding is the standing of a module with a file. A link, and the module in a file that the system's tables do
// not list, can have another name: the strictest of all names counts.
func (p *Prober) nodeStanding(n *node) (standing, *Rule) {
	worst, rule := p.standing(n.name)
	names, err := p.otherNames(n)
	if err != nil {
		why := "the name of the module in " + n.path + " cannot be read: " + err.Error()
		return barred, &Rule{Pattern: n.name, Reason: why}
	}
	for _, name := range names {
		s, r := p.standing(name)
		if s > worst || worst == allowed && s == unnamed {
			worst, rule = s, r
		}
	}
	return worst, rule
}

// otherNames returns the names that a module's file gives it besides that of the node.
func (p *Prober) otherNames(n *node) (names []string, err error) {
	p.fill(n)
	if n.path == "" {
		return nil, nil
	}
	name, err := sysroot.Name(p.fsys, n.path)
	if err != nil {
		return nil, nil // it cannot be opened either
	}
	if real, err := sysroot.Resolve(p.fsys, name); err == nil {
		names = append(names, alias.FromPath(real))
	}
	if listed, _, ok := p.files(n.name); ok && listed == n.path && p.opts.Dir == "" {
		return names, nil // whoever writes into the system's tree is root
	}
	image, err := p.readModule(name)
	if err != nil {
		return names, err
	}
	f, err := elf.Parse(image)
	if err != nil {
		return names, err
	}
	if this, ok := f.ThisModule(); ok && this.Name != "" {
		return append(names, alias.ModName(this.Name)), nil
	}
	info, err := f.Modinfo()
	for _, text := range info {
		if inner, ok := strings.CutPrefix(text, "name="); ok {
			return append(names, alias.ModName(inner)), nil
		}
	}
	if err == nil {
		err = errNoName
	}
	return names, err
}

// readModule expands a module's file as the kernel does: its decompressor does not look behind the compressed data,
// where a signature may be that was made after the compression.
func (p *Prober) readModule(name string) ([]byte, error) {
	image, _, err := compress.ReadFile(p.fsys, name, nil, 0)
	if err == nil {
		return image, nil
	}
	f, openErr := p.fsys.Open(name)
	if openErr != nil {
		return nil, err
	}
	defer f.Close()
	raw, readErr := compress.ReadRaw(f, 0)
	if readErr != nil {
		return nil, err
	}
	packed, signature := elf.SplitSignature(raw)
	if signature == nil {
		return nil, err
	}
	return compress.Expand(nil, packed, 0)
}

// errNoName reports that a module does not say its name.
var errNoName error = &condition{text: "it has none"}

// Wildcard reports whether the rule is about all modules that match a pattern, and not about one by its name.
func (r *Rule) Wildcard() bool { return strings.ContainsAny(r.Pattern, `*?[\`) }

// String returns where a rule stands and why, for people.
func (r *Rule) String() string {
	if r.File == "" {
		return "because " + r.Reason
	}
	text := "by " + r.At()
	if r.Reason != "" {
		text += " (" + r.Reason + ")"
	}
	return text
}

// At returns where a rule stands, as FILE:LINE.
func (r *Rule) At() string {
	if r.Line > 0 {
		return r.File + ":" + strconv.Itoa(r.Line)
	}
	return r.File
}

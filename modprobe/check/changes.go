package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Class says what the changes of a kernel's types mean for one module. None of them is a promise that a forced module
// works: types do not tell what functions do.
type Class string

// The classes, the worst last.
const (
	// ClassSame means that nothing differs that the module's symbols reach.
	ClassSame Class = "same"
	// ClassText means that names or types are written differently, and nothing else differs.
	ClassText Class = "text only"
	// ClassAdded means that members or values are new where there was room.
	ClassAdded Class = "added, nothing moved"
	// ClassNoneNamed means that something moved, but in no type that the module names.
	ClassNoneNamed Class = "changed types, none named by the module"
	// ClassNamesMoved means that it names a type that moved, or calls a function that is called in another way.
	ClassNamesMoved Class = "names a type that moved"
	// ClassNotKnown means that what there is does not tell.
	ClassNotKnown Class = "not known"
)

// Compatible reports whether the module names nothing that moved, as far as types tell.
func (c Class) Compatible() bool {
	return c == ClassSame || c == ClassText || c == ClassAdded || c == ClassNoneNamed
}

// Changes are what differs for a module between the kernel it was built for and the one it is checked against.
type Changes struct {
	// Class is what it means for the module.
	Class Class `json:"class"`
	// Why says why the class is not known, or is known without a comparison.
	Why string `json:"why,omitempty"`
	// Advice says what would make it known.
	Advice string `json:"advice,omitempty"`
	// BuiltFor says where the types of the kernel were read from that the module was built for.
	BuiltFor string `json:"built_for,omitempty"`
	// Against says where the types of the kernel were read from that it is checked against.
	Against string `json:"against,omitempty"`
	// Differ is how many imports have another version; without versions, how many reach a type that differs.
	Differ int `json:"differ"`
	// Types are what differs that the imports reach, and what the module names: that first, then the nearest.
	Types []TypeChange `json:"types"`
	// NoType lists imports that differ and have no type, so that nothing tells why.
	NoType []string `json:"no_type,omitempty"`
	// CRCOnly lists imports that differ though their types are equal.
	CRCOnly []string `json:"crc_only,omitempty"`
	// Gone lists imports that the kernel does not export.
	Gone []string `json:"gone,omitempty"`
	// Brief is Summary's sentence, where Options.Brief leaves out what it is made of.
	Brief string `json:"summary,omitempty"`
}

// TypeChange is a type that differs in two kernels.
type TypeChange struct {
	// Type is "struct device", or a function: "kfree()".
	Type string `json:"type"`
	// Change is how much it differs, in a word.
	Change string `json:"change"`
	// SizeWas and SizeIs are its size in bytes.
	SizeWas uint32 `json:"size_was"`
	SizeIs  uint32 `json:"size_is"`
	// Members are what differs, by their places.
	Members []MemberChange `json:"members"`
	// Symbols is how many imports reach it.
	Symbols int `json:"symbols"`
	// Via is the shortest way to it, from an import to the type itself.
	Via []string `json:"via,omitempty"`
	// Used says what the module does with it; empty if it does not name it.
	Used string `json:"used,omitempty"`

	// Lines says in words what differs.
	Lines []string `json:"-"`
	// Moves is set if code that was compiled with the one type can do wrong with the other.
	Moves bool `json:"-"`
}

// MemberChange is how a member of a structure, or a value of an enumeration, differs.
type MemberChange struct {
	// Name is the member's.
	Name string `json:"name"`
	// Was is the member in C with its place; empty if it is new.
	Was string `json:"was,omitempty"`
	// Is is the same in the other kernel; empty if it is gone.
	Is string `json:"is,omitempty"`
}

// Summary says in one sentence what the changes are for a module.
func (ch *Changes) Summary(module string) string {
	if ch.Brief != "" {
		return ch.Brief
	}
	moved := 0
	for _, t := range ch.Types {
		if t.Moves && t.Used != "" {
			return fmt.Sprintf("%s uses %s: %s", module, t.Type, strings.Join(limitLines(t.Lines, 3), "; "))
		}
		if t.Moves {
			moved++
		}
	}
	differ := count(ch.Differ, "import") + " differ"
	if ch.Differ == 1 {
		differ = "1 import differs"
	}
	switch ch.Class {
	case ClassNoneNamed:
		return fmt.Sprintf("%s because of %s, none of which %s names", differ, count(len(ch.Types), "type"),
			module)
	case ClassAdded:
		return fmt.Sprintf("%s because of %s, in which nothing moved", differ, count(len(ch.Types), "type"))
	case ClassText:
		return differ + " because of names and types that are written differently; nothing moved"
	case ClassSame:
		return cmp.Or(ch.Why, "no type differs that "+module+" reaches")
	}
	return "what changed is not known: " + ch.Why
}

// limitLines cuts a list.
func limitLines(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n]), "…")
}

// count is a number with the noun it counts.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A kernelTypes is a kernel whose types are compared.
type kernelTypes struct {
	types.Side
	source  string
	release string // "" if it is not known
	label   string // of the file in the cache; "" if nothing tells that it has changed
}

// A comparer compares the types of kernels for a Checker, and keeps what it has read.
type comparer struct {
	read    bool
	against *kernelTypes // the Checker's kernel
	noTypes string       // why there are none
	pairs   map[string]*pair
	kernels map[string]readKernel // by the file or the release that modules were built for
}

// A readKernel is a kernel that modules were built for, or why it cannot be read.
type readKernel struct {
	kernel *kernelTypes
	err    error
}

// A pair is two kernels that are compared.
type pair struct {
	a, b    *kernelTypes
	c       *types.Comparison
	tree    *modprobe.Prober // of kernel a; nil if there is none
	modules map[string]bool  // whose exports were added, or tried to
}

// explainChanges adds to verdicts what differs from the kernels that the modules were built for.
func (c *Checker) explainChanges(modules []*kernel.Module, verdicts []*Verdict) {
	var kept *briefs
	for i, v := range verdicts {
		m := modules[i]
		if m.Err() != nil || !c.asksForChanges(v) || c.onlyZeros(m) {
			continue
		}
		if kept == nil {
			kept = c.keptBriefs(modules)
		}
		c.judged = m
		switch {
		case kept != nil:
			v.Changes = kept.changes(m)
		case c.o.Brief:
			v.Changes = c.changes(m).brief(m.Name)
		default:
			v.Changes = c.changes(m)
		}
	}
	kept.save()
}

// asksForChanges tells whether a verdict is for versions, or passes over them. What takes long is not done where only
// what is kept counts.
func (c *Checker) asksForChanges(v *Verdict) bool {
	switch {
	case c.o.Cached:
		return false
	case c.o.BuiltFor != "" || c.o.Flags != 0:
		return true
	}
	return v.Outcome == Fails && slices.ContainsFunc(v.Findings, func(f Finding) bool {
		byVersion := f.Kind == KindVersion || f.Kind == KindLayout && f.Symbol != ""
		return f.Fatal && (byVersion || f.Kind == KindVermagic && c.k.Features.Versions == kernel.No)
	})
}

// notKnown is the answer where something is lacking.
func notKnown(why, advice string) *Changes {
	return &Changes{Class: ClassNotKnown, Why: why, Advice: advice, Types: []TypeChange{}}
}

// changes compares the types for one module.
func (c *Checker) changes(m *kernel.Module) *Changes {
	if c.o.BuiltFor == "" && c.sameVersions(m) {
		return &Changes{Class: ClassSame, Why: "all versions of symbols are equal", Types: []TypeChange{}}
	}
	if c.k.Machine != 0 && (m.Machine != c.k.Machine || m.Class != c.k.Class || m.BigEndian != c.k.BigEndian) {
		return notKnown("the module is for another machine", "build it for this machine")
	}
	b := c.typesOfKernel()
	if b == nil {
		return notKnown(c.cmp.noTypes,
			"name its boot image with --image; it must have types (CONFIG_DEBUG_INFO_BTF)")
	}
	a, why, advice := c.typesBuiltFor(m)
	if a == nil {
		return notKnown(why, advice)
	}
	if a.Types.ByteOrder() != b.Types.ByteOrder() || !a.Distilled && a.Types.PointerSize() != b.Types.PointerSize() {
		return notKnown("the types of "+a.source+" are those of another machine",
			"name a kernel for this machine with --built-for")
	}
	p := c.cmp.pairs[a.source]
	if p == nil {
		p = &pair{a: a, b: b, c: types.Compare(a.Side, b.Side), modules: map[string]bool{}}
		c.cmp.pairs[a.source] = p
		if a.release != "" {
			o := c.opts
			o.Release, o.NoConfig = a.release, true
			p.tree, _ = modprobe.New(&o)
		}
	}
	tm := c.typedModule(p, m)
	return newChanges(p, p.c.Module(tm))
}

// sameVersions tells whether the kernel has the module's version of everything: then it takes both for the same.
func (c *Checker) sameVersions(m *kernel.Module) bool {
	for _, v := range m.Versions {
		s, answer := c.k.lookup(v.Name)
		if answer != kernel.Found || !s.HasCRC || uint64(s.CRC) != v.CRC {
			return false
		}
	}
	return len(m.Versions) > 0
}

// onlyZeros tells whether all versions that differ are zero, which is no version: no type can tell why.
func (c *Checker) onlyZeros(m *kernel.Module) bool {
	zeros := false
	for _, v := range m.Versions {
		s, answer := c.k.lookup(v.Name)
		switch {
		case answer != kernel.Found || !s.HasCRC || uint64(s.CRC) == v.CRC:
		case v.CRC != 0:
			return false
		default:
			zeros = true
		}
	}
	return zeros
}

// typedModule reads a module's own types, and adds what the modules export that it needs.
func (c *Checker) typedModule(p *pair, m *kernel.Module) types.Module {
	var tm types.Module
	for _, v := range m.Versions {
		tm.Imports = append(tm.Imports, types.Export{Name: v.Name, CRC: uint32(v.CRC), HasCRC: true})
	}
	if len(m.Versions) == 0 {
		for _, im := range m.Imports {
			tm.Imports = append(tm.Imports, types.Export{Name: im.Name})
		}
	}
	for _, im := range tm.Imports {
		if c.k.Core != nil {
			if _, answer := c.k.Core.Lookup(im.Name); answer == kernel.Found {
				continue
			}
		}
		if s, ok := c.provide(im.Name); ok && s.From != nil && !p.modules[s.Owner] {
			p.modules[s.Owner] = true
			c.addProvider(p, s)
		}
	}
	base := p.a.Types
	if p.a.Distilled {
		base = nil
	}
	tm.Types = moduleTypes(m.Image, base)
	tm.Debug = func() *types.Debug { return moduleDebug(m.Image) }
	return tm
}

// addProvider adds the exports of the module that a symbol is from, if kernel a has it too.
func (c *Checker) addProvider(p *pair, s kernel.Symbol) {
	if p.tree == nil {
		return
	}
	in, ok := p.tree.Module(s.Owner)
	if !ok || in.Path == "" {
		return
	}
	if old, err := c.readFile(in.Path); err == nil && old.Err() == nil {
		p.c.AddModule(moduleSide(old, p.a.Types), moduleSide(s.From, p.b.Types))
	}
}

// moduleSide is what a module exports.
func moduleSide(m *kernel.Module, base *btf.File) types.Side {
	return types.Side{Types: moduleTypes(m.Image, base), Exports: typeExports(m.Exports)}
}

// typeExports turns symbols into what is compared.
func typeExports(symbols []kernel.Symbol) []types.Export {
	list := make([]types.Export, 0, len(symbols))
	for _, s := range symbols {
		list = append(list, types.Export{Name: s.Name, CRC: s.CRC, HasCRC: s.HasCRC})
	}
	return list
}

// newChanges makes of a comparison what is shown.
func newChanges(p *pair, found *types.Changes) *Changes {
	ch := &Changes{
		Class: Class(found.Class.String()), Why: found.Why, BuiltFor: p.a.source, Against: p.b.source,
		Differ: found.Differ, Types: []TypeChange{}, NoType: found.NoType, CRCOnly: found.CRCOnly,
		Gone: found.Gone,
	}
	if ch.Class == ClassNotKnown {
		ch.Advice = advice(p, found)
	}
	for _, t := range found.Types {
		out := TypeChange{
			Type: t.Type, Change: t.Change.String(), SizeWas: t.SizeWas, SizeIs: t.SizeIs,
			Members: []MemberChange{},
			Symbols: t.Symbols, Via: t.Via, Used: t.Used, Lines: t.Lines(), Moves: t.Change.Moves(),
		}
		for _, m := range t.Members {
			out.Members = append(out.Members, MemberChange{m.Name, m.Was, m.Is})
		}
		ch.Types = append(ch.Types, out)
	}
	return ch
}

// advice says what would make the class known.
func advice(p *pair, found *types.Changes) string {
	switch {
	case p.a.Distilled, len(found.Foreign) > 0:
		return "install the kernel it was built for, or name its boot image with --built-for"
	case strings.Contains(found.Why, "no types of its own"):
		return "build the module with types (CONFIG_DEBUG_INFO_BTF_MODULES, pahole and the kernel's vmlinux)"
	case len(found.Missing) > 0:
		return "install the modules of the kernel it was built for"
	}
	return ""
}

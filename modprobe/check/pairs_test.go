//go:build linux

package check_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// A pairMaker makes modules that export to each other, at random: under licences, in namespaces, with symbol versions
// and without. None has an init function.
type pairMaker struct {
	*rand.Rand
	c        *course
	this     kmodtest.ThisModule
	flags    bool            // exports have flags
	plain    []kernel.Symbol // of the kernel
	gpl      []kernel.Symbol
	spaced   []kernel.Symbol // in namespaces
	versions bool
	n        int // modules made
}

func newPairMaker(t testing.TB, key string, c *course, seed uint64) *pairMaker {
	t.Helper()
	p := &pairMaker{Rand: rand.New(rand.NewPCG(seed, 13)), c: c}
	for _, s := range c.k.Core.Symbols() {
		switch {
		case len(s.Name) > 50:
		case s.Namespace != "":
			p.spaced = append(p.spaced, s)
		case s.GPL:
			p.gpl = append(p.gpl, s)
		case s.Name != kernel.LayoutSymbol:
			p.plain = append(p.plain, s)
		}
		p.versions = p.versions || s.HasCRC
	}
	image := readModule(t, corpusModules(t, key, func(name string) bool { return name == "fat" })[0])
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := f.Section(".gnu.linkonce.this_module")
	data, err := f.Data(s)
	if err != nil {
		t.Fatal(err)
	}
	p.this = kmodtest.ThisModule{Size: len(data), Name: bytes.Index(data, []byte("fat\x00"))}
	_, p.flags = f.Section("__kflagstab")
	return p
}

func (p *pairMaker) chance(percent int) bool { return p.IntN(100) < percent }

// one returns one of a list.
func one[T any](p *pairMaker, list ...T) T { return list[p.IntN(len(list))] }

// module makes a module that uses what others export.
func (p *pairMaker) module(others []kernel.Symbol) kmodtest.Module {
	p.n++
	m := kmodtest.Module{
		Name: fmt.Sprintf("pair%d", p.n), Vermagic: p.c.k.Vermagic, This: p.this, FlagsTable: p.flags != p.chance(3),
		Class: p.c.k.Class, License: one(p, "GPL", "GPL", "GPL", "Dual BSD/GPL", "Proprietary", "BSD"),
	}
	if !p.versions != p.chance(3) {
		m.CRCs = kmodtest.CRCNone
	} else if !kernel.AtLeast(p.c.k.Release, 5, 19) {
		m.CRCs = kmodtest.CRCAbsolute
	}
	if p.chance(50) {
		m.Info = append(m.Info, "intree=Y")
	}
	if p.chance(4) {
		m.Info = append(m.Info, one(p, "staging=Y", "test=Y", "livepatch=Y"))
	}
	if p.chance(4) {
		m.Versions = one(p, kmodtest.VersionsExtended, kmodtest.VersionsBoth)
	}
	if p.chance(3) {
		m.Vermagic = one(p, "6.1.0 SMP ", "9"+m.Vermagic, m.Vermagic+" ")
	}
	m.Imports = p.imports(&m, others)
	m.Exports = p.exports(others)
	return m
}

// imports are some of the kernel's symbols and some of others', in any order.
func (p *pairMaker) imports(m *kmodtest.Module, others []kernel.Symbol) []kmodtest.Import {
	var use []kernel.Symbol
	for range p.IntN(3) {
		use = append(use, one(p, one(p, p.plain...), one(p, p.gpl...)))
	}
	if p.chance(15) && len(p.spaced) > 0 {
		use = append(use, one(p, p.spaced...))
	}
	if p.chance(5) {
		use = append(use, kernel.Symbol{Name: one(p, "no_such_symbol", "kmalloc_R12345678"), HasCRC: true, CRC: 1})
	}
	for range min(len(others), 1+p.IntN(3)) {
		if p.chance(80) {
			use = append(use, one(p, others...))
		}
	}
	p.Shuffle(len(use), func(i, j int) { use[i], use[j] = use[j], use[i] })
	var list []kmodtest.Import
	if layout, answer := p.c.k.Core.Lookup(kernel.LayoutSymbol); answer == kernel.Found && !p.chance(3) {
		list = append(list, kmodtest.Import{Name: layout.Name, CRC: layout.CRC, VersionOnly: true})
	}
	for _, s := range use {
		if slices.ContainsFunc(list, func(i kmodtest.Import) bool { return i.Name == s.Name }) {
			continue
		}
		im := kmodtest.Import{Name: s.Name, CRC: s.CRC, Weak: p.chance(8), NoVersion: p.chance(6)}
		if p.chance(6) {
			im.CRC = one(p, 0, s.CRC^1)
		}
		list = append(list, im)
		if s.Namespace != "" && p.chance(65) {
			m.Info = append(m.Info, "import_ns="+s.Namespace)
		} else if p.chance(3) {
			m.Info = append(m.Info, "import_ns="+one(p, "PAIR", "OTHER", "module:"+m.Name))
		}
	}
	return list
}

// exports are new symbols and now and then one that somebody else has.
func (p *pairMaker) exports(others []kernel.Symbol) (list []kmodtest.Export) {
	for i := range p.IntN(4) {
		e := kmodtest.Export{Name: fmt.Sprintf("pair%d_api%d", p.n, i), CRC: p.Uint32(), GPL: p.chance(40), Namespace: one(p, "", "", "", "PAIR", "SPACE")}
		if p.chance(5) {
			e.Namespace = one(p, "module:pair*", "module:pair1,other", fmt.Sprintf("module:pair%d", p.n+1))
		}
		e.NoCRC = p.chance(3)
		list = append(list, e)
	}
	if p.chance(4) {
		list = append(list, kmodtest.Export{Name: one(p, p.plain...).Name, CRC: 1})
	}
	if p.chance(4) && len(others) > 0 {
		list = append(list, kmodtest.Export{Name: one(p, others...).Name, CRC: 2})
	}
	slices.SortFunc(list, func(a, b kmodtest.Export) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return list
}

// add adds a few modules that are loaded in their order, and some that use them.
func (p *pairMaker) add() {
	c, kept := p.c, len(p.c.loaded)
	var others []kernel.Symbol
	for range 1 + p.IntN(3) {
		m := p.module(others)
		for len(m.Exports) == 0 {
			m.Exports = p.exports(others)
		}
		if c.keep("pairs", m.Name, m.Bytes()) {
			others = append(others, c.loaded[len(c.loaded)-1].Exports...)
		}
	}
	for range 8 {
		m := p.module(others)
		flags := 0
		if p.chance(15) {
			flags = 1 + p.IntN(3)
		}
		c.add("pairs", describePair(&m), m.Bytes(), flags, false)
	}
	c.remove(kept)
}

// describePair says of a module what decides.
func describePair(m *kmodtest.Module) string {
	text := fmt.Sprintf("%s, %s, %q, imports", m.Name, m.License, m.Info)
	for _, im := range m.Imports {
		text += fmt.Sprintf(" %s:%x:%t:%t", im.Name, im.CRC, im.Weak, im.NoVersion)
	}
	text += ", exports"
	for _, e := range m.Exports {
		text += fmt.Sprintf(" %s:%s:%t", e.Name, e.Namespace, e.GPL)
	}
	return fmt.Sprintf("%s, CRCs %d, versions %d, flags %t", text, m.CRCs, m.Versions, m.FlagsTable)
}

package modinfo

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/modinfo"
)

// A modinfoView shows modules in one of the ways modinfo has. Its methods are called by several goroutines at a time.
type modinfoView struct {
	args   *modinfoArgs
	finder *modinfoFinder
}

// showAll returns what to print about the modules of some operands. It takes the memory of a result that is not needed
// any more.
func (v *modinfoView) showAll(r *modinfoResult, from, to int) *modinfoResult {
	if r == nil {
		r = new(modinfoResult)
	}
	r.out, r.parts = r.out[:0], r.parts[:0]
	for _, operand := range v.args.operands[from:to] {
		v.finder.find(operand, func(t *modinfoTarget) {
			r.parts = append(r.parts, modinfoPart{start: len(r.out)})
			v.show(r, t)
			r.part().end = len(r.out)
		})
	}
	return r
}

// before returns what comes before a module, and end what comes behind the
// last; any tells whether there has been a module.
func (v *modinfoView) before(any bool) string {
	switch {
	case v.args.view != modinfoJSON:
		return ""
	case any:
		return ",\n"
	}
	return "[\n"
}

func (v *modinfoView) end(any bool) string {
	switch {
	case v.args.view != modinfoJSON:
		return ""
	case any:
		return "\n]\n"
	}
	return "[]\n"
}

// show adds what to print about one module.
func (v *modinfoView) show(r *modinfoResult, t *modinfoTarget) {
	switch {
	case t.failure != "":
		r.fail(t.failure)
		r.hint(t.hint)
		return
	case v.args.view == 0:
		v.text(r, t)
		return
	}
	m, err := v.finder.open(t)
	if err == nil {
		switch v.args.view {
		case modinfoJSON:
			err = v.json(r, t, m)
		case modinfoExports:
			err = v.exports(r, m)
		case modinfoImports:
			err = v.imports(r, m)
		}
	}
	if err != nil {
		r.out = r.out[:r.part().start]
		r.failRead(v.finder.prober, t, err)
	}
}

// exports shows the symbols a module offers: CRC, name, licence, namespace.
func (v *modinfoView) exports(r *modinfoResult, m *modinfo.Module) error {
	list, err := m.Exports()
	for _, e := range list {
		licence, space := "-", "-"
		if e.GPL {
			licence = "GPL"
		}
		if e.Namespace != "" {
			space = e.Namespace
		}
		r.out = fmt.Appendf(r.out, "%s\t%s\t%s\t%s%s", shownCRC(e.CRC, e.HasCRC), e.Name, licence, space,
			v.args.end)
	}
	return err
}

// imports shows the symbols a module needs: CRC, name, the modules of the tree
// that offer it, whether it can do without.
func (v *modinfoView) imports(r *modinfoResult, m *modinfo.Module) error {
	list, err := m.Imports()
	for _, im := range list {
		from, weak := "-", "-"
		if list := v.finder.providers(im.Name); len(list) > 0 {
			from = strings.Join(list, ",")
		}
		if im.Weak {
			weak = "weak"
		}
		r.out = fmt.Appendf(r.out, "%s\t%s\t%s\t%s%s", shownCRC(im.CRC, im.HasCRC), im.Name, from, weak,
			v.args.end)
	}
	return err
}

// shownCRC returns a checksum as modprobe --show-exports writes it.
func shownCRC(crc uint64, has bool) string {
	if !has {
		return "-"
	}
	return fmt.Sprintf("0x%08x", crc)
}

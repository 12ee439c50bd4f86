package modinfo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/jsonw"
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
		r.failRead(t, err)
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
		r.out = fmt.Appendf(r.out, "%s\t%s\t%s\t%s%s", shownCRC(e.CRC, e.HasCRC), e.Name, licence, space, v.args.end)
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
		r.out = fmt.Appendf(r.out, "%s\t%s\t%s\t%s%s", shownCRC(im.CRC, im.HasCRC), im.Name, from, weak, v.args.end)
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

// json shows a module as an object of JSON.
func (v *modinfoView) json(r *modinfoResult, t *modinfoTarget, m *modinfo.Module) error {
	w := new(jsonw.Writer)
	w.BeginObject()
	w.Key("name")
	w.String(m.Name())
	w.Key("builtin")
	w.Bool(t.builtin)
	if !t.builtin {
		w.Key("filename")
		w.String(t.path)
		w.Key("compression")
		w.String(m.Compression)
	}
	w.Key("fields")
	jsonFields(w, m)
	jsonParams(w, m)
	id, err := m.BuildID()
	if err != nil {
		return err
	}
	if len(id) > 0 {
		w.Key("build_id")
		w.String(fmt.Sprintf("%x", id))
	}
	if s := m.Signature(); s != nil {
		jsonSignature(w, s)
	}
	if v.args.symbols {
		if err := v.jsonSymbols(w, m); err != nil {
			return err
		}
	}
	w.EndObject()
	r.out = append(r.out, w.Bytes()...)
	return nil
}

// jsonFields writes an object of the fields other than parameters: for each
// key the array of its values.
func jsonFields(w *jsonw.Writer, m *modinfo.Module) {
	var keys []string
	values := map[string][]string{}
	for key, value := range m.Fields() {
		if key == "parm" || key == "parmtype" {
			continue
		}
		if values[key] == nil {
			keys = append(keys, key)
		}
		values[key] = append(values[key], value)
	}
	w.BeginObject()
	for _, key := range keys {
		w.Key(key)
		w.Strings(values[key])
	}
	w.EndObject()
}

func jsonParams(w *jsonw.Writer, m *modinfo.Module) {
	params, _ := m.Params()
	w.Key("parameters")
	w.BeginArray()
	for _, p := range params {
		w.BeginObject()
		w.Key("name")
		w.String(p.Name)
		if p.HasType {
			w.Key("type")
			w.String(p.Type)
		}
		if p.HasDesc {
			w.Key("description")
			w.String(p.Desc)
		}
		w.EndObject()
	}
	w.EndArray()
}

func jsonSignature(w *jsonw.Writer, s *modinfo.Signature) {
	w.Key("signature")
	w.BeginObject()
	w.Key("id")
	w.String(s.ID)
	w.Key("hash")
	w.String(s.Hash)
	if s.Err != nil {
		w.Key("error")
		w.String(s.Err.Error())
	} else {
		w.Key("signer")
		w.String(s.Signer)
		w.Key("key")
		w.String(fmt.Sprintf("%x", s.Key))
		w.Key("value")
		w.String(fmt.Sprintf("%x", s.Value))
	}
	w.EndObject()
}

// jsonSymbols writes the three tables of symbols.
func (v *modinfoView) jsonSymbols(w *jsonw.Writer, m *modinfo.Module) error {
	exports, err := m.Exports()
	imports, err2 := m.Imports()
	versions, err3 := m.Versions()
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	w.Key("exports")
	w.BeginArray()
	for _, e := range exports {
		beginSymbol(w, e.Name, e.CRC, e.HasCRC)
		w.Key("gpl_only")
		w.Bool(e.GPL)
		if e.Namespace != "" {
			w.Key("namespace")
			w.String(e.Namespace)
		}
		w.EndObject()
	}
	w.EndArray()
	w.Key("imports")
	w.BeginArray()
	for _, im := range imports {
		beginSymbol(w, im.Name, im.CRC, im.HasCRC)
		w.Key("weak")
		w.Bool(im.Weak)
		w.Key("providers")
		w.Strings(v.finder.providers(im.Name))
		w.EndObject()
	}
	w.EndArray()
	w.Key("versions")
	w.BeginArray()
	for _, ver := range versions {
		beginSymbol(w, ver.Name, ver.CRC, true)
		w.EndObject()
	}
	w.EndArray()
	return nil
}

// beginSymbol opens an object with what all symbols have.
func beginSymbol(w *jsonw.Writer, name string, crc uint64, hasCRC bool) {
	w.BeginObject()
	w.Key("name")
	w.String(name)
	if hasCRC {
		w.Key("crc")
		w.String(shownCRC(crc, true))
	}
}

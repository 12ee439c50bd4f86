package tool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/modinfo"
)

// modinfoWidth is the column in which values begin, unless the key is longer.
const modinfoWidth = 16

// appendPadded appends a line "key:   value".
func appendPadded(out []byte, key, value, end string) []byte {
	out = append(append(out, key...), ':')
	for n := len(key) + 1; n < modinfoWidth; n++ {
		out = append(out, ' ')
	}
	return append(append(out, value...), end...)
}

// text shows a module as kmod does: everything, or one field.
func (v *modinfoView) text(r *modinfoResult, t *modinfoTarget) {
	if v.args.oneField {
		switch {
		case v.args.field == "filename":
			r.out = append(append(r.out, t.shownPath()...), v.args.end...)
			return
		case t.builtin && v.args.field == "name":
			r.out = append(append(r.out, t.name...), v.args.end...)
		}
	} else {
		if t.builtin {
			r.out = appendPadded(r.out, "name", t.name, v.args.end)
		}
		r.out = appendPadded(r.out, "filename", t.shownPath(), v.args.end)
	}
	m, err := v.finder.open(t)
	if err != nil {
		r.failRead(t, err)
		return
	}
	if v.args.oneField {
		v.oneField(r, m)
	} else {
		v.allFields(r, m)
		if s := m.Signature(); s != nil && s.Err != nil {
			r.hint(fmt.Sprintf("%s has a signature that is not shown, since it cannot be understood: %v", t.path, s.Err))
		}
	}
}

// shownPath is the file name that is shown for a module.
func (t *modinfoTarget) shownPath() string {
	if t.builtin {
		return "(builtin)"
	}
	return t.path
}

// oneField shows the values of one field.
func (v *modinfoView) oneField(r *modinfoResult, m *modinfo.Module) {
	field, end := v.args.field, v.args.end
	if field == "parm" {
		v.params(r, m, func(p *modinfo.Param) {
			if p.HasType {
				r.out = fmt.Appendf(r.out, "%s:%s (%s)%s", p.Name, p.Desc, p.Type, end)
			} else {
				r.out = fmt.Appendf(r.out, "%s:%s%s", p.Name, p.Desc, end)
			}
		})
		return
	}
	for key, value := range modinfoPairs(m, field) {
		if key == field {
			r.out = append(append(r.out, value...), end...)
		}
	}
}

// allFields shows all fields, the parameters behind the others.
func (v *modinfoView) allFields(r *modinfoResult, m *modinfo.Module) {
	end := v.args.end
	for key, value := range modinfoPairs(m, "") {
		switch {
		case key == "parm" || key == "parmtype":
		case end == "\n":
			r.out = appendPadded(r.out, key, value, end)
		default:
			r.out = append(append(append(append(r.out, key...), '='), value...), end...)
		}
	}
	v.params(r, m, func(p *modinfo.Param) {
		switch {
		case p.HasType && p.HasDesc:
			r.out = appendPadded(r.out, "parm", p.Name+":"+p.Desc+" ("+p.Type+")", end)
		case p.HasType:
			r.out = appendPadded(r.out, "parm", p.Name+":"+p.Type, end)
		default:
			r.out = appendPadded(r.out, "parm", p.Name+":"+p.Desc, end)
		}
	})
}

// params calls show for each parameter, the last one first, and notes what is
// wrong with others.
func (v *modinfoView) params(r *modinfoResult, m *modinfo.Module, show func(*modinfo.Param)) {
	params, err := m.Params()
	if err != nil {
		// As with kmod every such field is reported and passed over, and the
		// exit status does not tell.
		for key, value := range m.Fields() {
			if (key == "parm" || key == "parmtype") && !strings.Contains(value, ":") {
				text := fmt.Sprintf("Found invalid \"%s=%s\": missing ':'", key, value)
				r.messages = append(r.messages, modinfoMessage{text: text})
			}
		}
	}
	for i := len(params) - 1; i >= 0; i-- {
		show(&params[i])
	}
}

// modinfoPairs yields a module's fields and then those that are made from its
// signature and, if it is the field asked for, its build-id.
func modinfoPairs(m *modinfo.Module, field string) func(yield func(key, value string) bool) {
	return func(yield func(key, value string) bool) {
		for key, value := range m.Fields() {
			if !yield(key, value) {
				return
			}
		}
		if field == "build-id" {
			if id, err := m.BuildID(); err == nil && len(id) > 0 {
				yield(field, string(appendHex(nil, id)))
			}
			return
		}
		s := m.Signature()
		if s == nil || s.Err != nil {
			return // as kmod: a signature that is not understood is not shown
		}
		_ = yield("sig_id", s.ID) &&
			yield("signer", s.Signer) &&
			yield("sig_key", string(appendHex(nil, s.Key))) &&
			yield("sig_hashalgo", s.Hash) &&
			yield("signature", string(appendHex(nil, s.Value)))
	}
}

// appendHex appends bytes as kmod writes them: "AB:CD", 20 in a line.
func appendHex(out, b []byte) []byte {
	const hex = "0123456789ABCDEF"
	const perLine = 20
	out = slices.Grow(out, len(b)*3+len(b)/perLine*3)
	for i, c := range b {
		if i > 0 {
			out = append(out, ':')
			if i%perLine == 0 {
				out = append(out, "\n\t\t"...)
			}
		}
		out = append(out, hex[c>>4], hex[c&15])
	}
	return out
}

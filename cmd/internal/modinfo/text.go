package modinfo

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/modinfo"
)

// modinfoWidth is the column in which values begin, unless the key is longer.
const modinfoWidth = 16

// appendKey appends "key:   ", behind which the value follows.
func appendKey(out []byte, key string) []byte {
	const spaces = "                "
	out = append(append(out, key...), ':')
	return append(out, spaces[min(len(key)+1, modinfoWidth):]...)
}

// appendPadded appends a line "key:   value".
func appendPadded(out []byte, key, value, end string) []byte {
	return append(append(appendKey(out, key), value...), end...)
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
		r.failRead(v.finder.prober, t, err)
		return
	}
	if v.args.oneField {
		v.oneField(r, m)
		return
	}
	s := m.Signature()
	v.allFields(r, m, s)
	if s != nil && s.Err != nil {
		r.hint(fmt.Sprintf("%s has a signature that is not shown, since it cannot be understood: %v", t.path,
			s.Err))
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
	for key, value := range m.Fields() {
		if key == field {
			r.out = append(append(r.out, value...), end...)
		}
	}
	switch field {
	case "build-id":
		if id, err := m.BuildID(); err == nil && len(id) > 0 {
			r.out = append(appendHex(r.out, id), end...)
		}
	case "sig_id", "signer", "sig_key", "sig_hashalgo", "signature":
		for _, p := range signaturePairs(m.Signature()) {
			if p.key == field {
				r.out = append(p.append(r.out), end...)
			}
		}
	}
}

// allFields shows all fields, then those made from the signature, then the parameters.
func (v *modinfoView) allFields(r *modinfoResult, m *modinfo.Module, s *modinfo.Signature) {
	end := v.args.end
	appendName := appendKey
	if end != "\n" {
		appendName = func(out []byte, key string) []byte { return append(append(out, key...), '=') }
	}
	for key, value := range m.Fields() {
		if key != "parm" && key != "parmtype" {
			r.out = append(append(appendName(r.out, key), value...), end...)
		}
	}
	for _, p := range signaturePairs(s) {
		r.out = append(p.append(appendName(r.out, p.key)), end...)
	}
	v.params(r, m, func(p *modinfo.Param) {
		r.out = append(append(appendKey(r.out, "parm"), p.Name...), ':')
		switch {
		case p.HasType && p.HasDesc:
			r.out = append(append(append(append(r.out, p.Desc...), " ("...), p.Type...), ')')
		case p.HasType:
			r.out = append(r.out, p.Type...)
		default:
			r.out = append(r.out, p.Desc...)
		}
		r.out = append(r.out, end...)
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
				r.message(fmt.Sprintf("Found invalid \"%s=%s\": missing ':'", key, value))
			}
		}
	}
	for i := len(params) - 1; i >= 0; i-- {
		show(&params[i])
	}
}

// A signaturePair is a field that is made from the signature: text, or bytes.
type signaturePair struct {
	key, text string
	bytes     []byte
}

// append appends the value; as with kmod a text ends at a NUL.
func (p *signaturePair) append(out []byte) []byte {
	text, _, _ := strings.Cut(p.text, "\x00")
	return appendHex(append(out, text...), p.bytes)
}

// signaturePairs returns the fields made from a signature; none if there is none or, as with kmod, it is not
// understood.
func signaturePairs(s *modinfo.Signature) []signaturePair {
	if s == nil || s.Err != nil {
		return nil
	}
	return []signaturePair{
		{key: "sig_id", text: s.ID},
		{key: "signer", text: s.Signer},
		{key: "sig_key", bytes: s.Key},
		{key: "sig_hashalgo", text: s.Hash},
		{key: "signature", bytes: s.Value},
	}
}

// appendHex appends bytes as kmod writes them: "AB:CD", 20 in a line.
func appendHex(out, b []byte) []byte {
	const hex = "0123456789ABCDEF"
	const perLine = 20
	for len(b) > 0 {
		line := b[:min(perLine, len(b))]
		b = b[len(line):]
		n := len(out)
		out = append(out, "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:\n\t\t"...)
		to := out[n:]
		for i, c := range line {
			to[3*i], to[3*i+1] = hex[c>>4], hex[c&15]
		}
		if len(b) == 0 {
			out = out[:n+3*len(line)-1]
		}
	}
	return out
}

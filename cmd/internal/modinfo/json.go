package modinfo

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// modinfoDoc is one module: modinfo --json.
type modinfoDoc struct {
	Name        string         `json:"name"`
	Builtin     bool           `json:"builtin"`
	Filename    string         `json:"filename,omitempty"`    // not of a built-in module
	Compression string         `json:"compression,omitempty"` // likewise
	Fields      fieldsJSON     `json:"fields"`
	Parameters  []paramJSON    `json:"parameters"`
	BuildID     string         `json:"build_id,omitempty"`
	Signature   *signatureJSON `json:"signature,omitempty"`
	*symbolsJSON
}

// paramJSON is a parameter. A type or description that is there may be empty.
type paramJSON struct {
	Name        string  `json:"name"`
	Type        *string `json:"type,omitempty"`
	Description *string `json:"description,omitempty"`
}

// signatureJSON is a signature: what is in it, or why it cannot be understood.
type signatureJSON struct {
	ID    string `json:"id"`
	Hash  string `json:"hash"`
	Error string `json:"error,omitempty"`
	*signerJSON
}

// signerJSON is what a signature has that can be understood.
type signerJSON struct {
	Signer string `json:"signer"`
	Key    string `json:"key"`
	Value  string `json:"value"`
}

// symbolsJSON is what --symbols adds.
type symbolsJSON struct {
	Exports  []exportJSON  `json:"exports"`
	Imports  []importJSON  `json:"imports"`
	Versions []versionJSON `json:"versions"`
}

type exportJSON struct {
	Name      string `json:"name"`
	CRC       string `json:"crc,omitempty"`
	GPLOnly   bool   `json:"gpl_only"`
	Namespace string `json:"namespace,omitempty"`
}

type importJSON struct {
	Name      string   `json:"name"`
	CRC       string   `json:"crc,omitempty"`
	Weak      bool     `json:"weak"`
	Providers []string `json:"providers"`
}

type versionJSON struct {
	Name string `json:"name"`
	CRC  string `json:"crc"`
}

// fieldsJSON is an object: for each key, in the order of the module, the array of its values.
type fieldsJSON []fieldJSON

type fieldJSON struct {
	key    string
	values []string
}

// MarshalJSON keeps the order, which a map would lose.
func (f fieldsJSON) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := cli.WriteJSON(&b, field.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := cli.WriteJSON(&b, field.values); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// json shows a module as an object of JSON.
func (v *modinfoView) json(r *modinfoResult, t *modinfoTarget, m *modinfo.Module) error {
	doc := modinfoDoc{Name: m.Name(), Builtin: t.builtin, Fields: newFieldsJSON(m), Parameters: newParamsJSON(m)}
	if !t.builtin {
		doc.Filename, doc.Compression = t.path, m.Compression
	}
	id, err := m.BuildID()
	if err != nil {
		return err
	}
	doc.BuildID = fmt.Sprintf("%x", id)
	if s := m.Signature(); s != nil {
		doc.Signature = newSignatureJSON(s)
	}
	if v.args.symbols {
		if doc.symbolsJSON, err = v.symbolsJSON(m); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := cli.WriteJSON(&b, doc); err != nil {
		return err
	}
	r.out = append(r.out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
	return nil
}

// newFieldsJSON returns the fields other than parameters.
func newFieldsJSON(m *modinfo.Module) fieldsJSON {
	fields := fieldsJSON{}
	at := map[string]int{}
	for key, value := range m.Fields() {
		if key == "parm" || key == "parmtype" {
			continue
		}
		i, ok := at[key]
		if !ok {
			i = len(fields)
			at[key] = i
			fields = append(fields, fieldJSON{key: key})
		}
		fields[i].values = append(fields[i].values, value)
	}
	return fields
}

func newParamsJSON(m *modinfo.Module) []paramJSON {
	params, _ := m.Params()
	return cli.Each(params, func(p modinfo.Param) paramJSON {
		doc := paramJSON{Name: p.Name}
		if p.HasType {
			doc.Type = &p.Type
		}
		if p.HasDesc {
			doc.Description = &p.Desc
		}
		return doc
	})
}

func newSignatureJSON(s *modinfo.Signature) *signatureJSON {
	if s.Err != nil {
		return &signatureJSON{ID: s.ID, Hash: s.Hash, Error: s.Err.Error()}
	}
	signer := &signerJSON{s.Signer, fmt.Sprintf("%x", s.Key), fmt.Sprintf("%x", s.Value)}
	return &signatureJSON{s.ID, s.Hash, "", signer}
}

// symbolsJSON returns the three tables of symbols.
func (v *modinfoView) symbolsJSON(m *modinfo.Module) (*symbolsJSON, error) {
	exports, err := m.Exports()
	imports, err2 := m.Imports()
	versions, err3 := m.Versions()
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	crc := func(crc uint64, has bool) string {
		if !has {
			return ""
		}
		return shownCRC(crc, true)
	}
	return &symbolsJSON{
		cli.Each(exports, func(e modinfo.Export) exportJSON {
			return exportJSON{e.Name, crc(e.CRC, e.HasCRC), e.GPL, e.Namespace}
		}),
		cli.Each(imports, func(i modinfo.Import) importJSON {
			return importJSON{i.Name, crc(i.CRC, i.HasCRC), i.Weak, cli.OrEmpty(v.finder.providers(i.Name))}
		}),
		cli.Each(versions, func(s modinfo.Version) versionJSON {
			return versionJSON{s.Name, crc(s.CRC, true)}
		}),
	}, nil
}

package modinfo

import (
	"fmt"
	"strings"
)

// A Param is a parameter of a module.
type Param struct {
	Name string // name
	Type string // type in the kernel's words, such as "int" or "array of charp"; "" if not told
	Desc string // description; "" if there is none

	HasType, HasDesc bool // whether the module has a field for it, if only an empty one
}

// A ParamError is a field that should describe a parameter but lacks the colon
// behind its name.
type ParamError struct {
	Key   string // "parm" or "parmtype"
	Value string // the field's value
}

// Error returns the field.
func (e *ParamError) Error() string {
	return fmt.Sprintf("%s=%s: no colon behind the parameter's name", e.Key, e.Value)
}

// Params returns the parameters in the order in which they are first
// mentioned, each put together from its fields "parm" (name and description)
// and "parmtype" (name and type); of several fields for one the last counts.
// Fields that are not as they should be are passed over; the error is a
// *[ParamError] about the first of them.
func (m *Module) Params() ([]Param, error) {
	var list []Param
	var bad error
	var index map[string]int
	for key, value := range m.Fields() {
		if key != "parm" && key != "parmtype" {
			continue
		}
		name, text, ok := strings.Cut(value, ":")
		if !ok {
			if bad == nil {
				bad = &ParamError{key, value}
			}
			continue
		}
		at, ok := index[name]
		if !ok {
			if index == nil {
				index = make(map[string]int)
			}
			at = len(list)
			index[name] = at
			list = append(list, Param{Name: name})
		}
		if p := &list[at]; key == "parm" {
			p.Desc, p.HasDesc = text, true
		} else {
			p.Type, p.HasType = text, true
		}
	}
	return list, bad
}

package modinfo

import (
	"iter"
	"strings"
)

// Fields yields the key and the value of every field, in the order of the
// file, repeated keys included. A string without "=" is a key with the value
// "".
func (m *Module) Fields() iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for _, s := range m.info {
			key, value, _ := strings.Cut(s, "=")
			if !yield(key, value) {
				return
			}
		}
	}
}

// Field returns the value of the first field with that key, which is the one
// the kernel goes by; false if there is none. Keys are case-sensitive.
func (m *Module) Field(key string) (value string, ok bool) {
	for k, v := range m.Fields() {
		if k == key {
			return v, true
		}
	}
	return "", false
}

// Values returns the values of all fields with that key.
func (m *Module) Values(key string) []string {
	var list []string
	for k, v := range m.Fields() {
		if k == key {
			list = append(list, v)
		}
	}
	return list
}

// Depends returns the names of the modules that the module's build found it to
// need, in the order of the field "depends". depmod(8) finds out anew from the
// symbols, and that is what counts.
func (m *Module) Depends() []string {
	value, _ := m.Field("depends")
	return strings.FieldsFunc(value, func(c rune) bool { return c == ',' })
}

// Aliases returns the patterns of the devices and the names that the module
// serves.
func (m *Module) Aliases() []string { return m.Values("alias") }

// Firmware returns the names, below /lib/firmware, of the files that the
// module may ask for.
func (m *Module) Firmware() []string { return m.Values("firmware") }

// Vermagic returns what the kernel compares with its own before it accepts the
// module: its release and how it was built. It often ends in a space, which
// counts.
func (m *Module) Vermagic() string {
	value, _ := m.Field("vermagic")
	return value
}

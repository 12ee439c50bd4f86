package elf

import (
	"bytes"
	"strings"
)

// Modinfo returns the strings of the section .modinfo, normally of the form
// "key=value", in the order of the file; empty ones, which are padding, are
// left out. The error is [ErrNoSection] if there is no such section.
func (f *File) Modinfo() ([]string, error) {
	data, _, err := f.contents(".modinfo")
	if err != nil {
		return nil, err
	}
	return splitStrings(data), nil
}

// EachModinfo calls do with each string that Modinfo would return, in that
// order. The bytes are valid during the call only.
func (f *File) EachModinfo(do func(s []byte)) error {
	data, _, err := f.contents(".modinfo")
	if err != nil {
		return err
	}
	for data = trimStrings(data); len(data) > 0; {
		var s []byte
		s, data, _ = bytes.Cut(data, []byte{0})
		if len(s) > 0 {
			do(s)
		}
	}
	return nil
}

// trimStrings returns a section of strings that each end in a NUL without the
// NULs it starts with. As with kmod the last string may lack its NUL, unless it
// is a single letter and all there is.
func trimStrings(data []byte) []byte {
	data = bytes.TrimLeft(data, "\x00")
	if len(data) <= 1 {
		return nil
	}
	return data
}

// splitStrings cuts a section of strings.
func splitStrings(data []byte) []string {
	data = trimStrings(data)
	if data == nil {
		return nil
	}
	list := make([]string, 0, bytes.Count(data, []byte{0})+1)
	rest := string(data)
	for rest != "" {
		var s string
		s, rest, _ = strings.Cut(rest, "\x00")
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

// BuildID returns the linker's fingerprint of the module, the descriptor of
// the note in .note.gnu.build-id; nil if there is none.
func (f *File) BuildID() []byte {
	data, _, err := f.contents(".note.gnu.build-id")
	if err != nil {
		return nil
	}
	return f.NoteBuildID(data)
}

// NoteBuildID returns the fingerprint in notes for this file's machine, as the kernel shows those of loaded modules;
// nil if there is none.
func (f *File) NoteBuildID(data []byte) []byte {
	const noteBuildID = 3
	for len(data) >= 12 {
		namesz, descsz, typ := uint64(f.u32(data)), uint64(f.u32(data[4:])), f.u32(data[8:])
		data = data[12:]
		nameEnd := (namesz + 3) &^ 3
		if nameEnd > uint64(len(data)) || descsz > uint64(len(data))-nameEnd {
			return nil
		}
		if typ == noteBuildID && string(data[:namesz]) == "GNU\x00" {
			return data[nameEnd:][:descsz:descsz]
		}
		data = data[min(nameEnd+(descsz+3)&^3, uint64(len(data))):]
	}
	return nil
}

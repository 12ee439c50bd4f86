package modinfo

import (
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
)

// builtinFile has the fields of all modules that are part of the kernel:
// strings "module.key=value", each with a NUL behind it, those of one module
// together.
const builtinFile = "modules.builtin.modinfo"

// Builtin returns what the kernel's build recorded about a module that is part
// of the kernel, by its name in the kernel. It reads modules.builtin.modinfo in
// dir, the module directory of the kernel. If the file is missing the error is
// [fs.ErrNotExist]; if the file does not mention the module, as is the case for
// many that have no parameters, the Module has no fields. Whether there is such
// a module at all, modules.builtin tells.
func Builtin(fsys fs.FS, dir, name string) (*Module, error) {
	file := path.Join(dir, builtinFile)
	data, _, err := compress.ReadFile(fsys, file, nil, 0)
	if err != nil {
		return nil, err
	}
	info, bad := builtinFields(string(data), name)
	if bad != nil {
		bad.Path = file
		return nil, bad
	}
	return &Module{Builtin: true, name: name, info: info}, nil
}

// builtinFields returns the fields of the module. As kmod does, it stops at
// the first record of another module behind them.
func builtinFields(data, name string) ([]string, *FormatError) {
	var info []string
	for off := 0; off < len(data); {
		record, _, _ := strings.Cut(data[off:], "\x00")
		if record == "" { // padding
			off++
			continue
		}
		module, field, ok := strings.Cut(record, ".")
		if !ok {
			return nil, &FormatError{Off: int64(off), What: "record without the name of a module"}
		}
		if module == name {
			info = append(info, field)
		} else if info != nil {
			break
		}
		off += len(record) + 1
	}
	return info, nil
}

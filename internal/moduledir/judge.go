package moduledir

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
)

// Fault is what is wrong with a table.
type Fault struct {
	// File is the name of the table in the folder.
	File string
	// Err says what is wrong.
	Err error
}

// Error implements error.
func (f *Fault) Error() string { return f.File + ": " + f.Err.Error() }

// Unwrap returns f.Err.
func (f *Fault) Unwrap() error { return f.Err }

// Advice is the sentence that all tools say of a fault in a folder: the file, what is wrong with it, and what mends it.
func (f *Fault) Advice(dir, release string) string {
	return dir + "/" + f.Error() + "; depmod " + release + " makes the tables anew"
}

// ErrOther: a table is of other modules than those that are there.
var ErrOther = errors.New("of another release or build: no file that it lists is there")

// checked are the tables of which each must be usable if it is there.
var checked = [...]string{
	"modules.dep.bin", "modules.dep", "modules.alias.bin", "modules.alias", "modules.symbols.bin", "modules.symbols",
	"modules.softdep", "modules.weakdep", "modules.devname", "modules.builtin.bin", "modules.builtin.alias.bin",
}

// Judge returns the first thing that is wrong with the tables of a folder, taken as a whole: one is not usable, modules
// or aliases are in none, or the modules that are listed are not those that are there. nil is that all is well.
func Judge(fsys fs.FS, dir Dir, config *Config) *Fault {
	there := make(map[string]bool)
	for _, name := range checked {
		data, err := read(fsys, dir.Name+"/"+name)
		if err == nil {
			there[name], err = true, Usable(name, data)
		}
		if err != nil && !errors.Is(err, ErrMissing) {
			return &Fault{name, err}
		}
	}
	for _, name := range []string{"modules.dep", "modules.alias"} {
		if !there[name] && !there[name+".bin"] {
			return &Fault{name + ".bin", ErrMissing}
		}
	}
	name, listed, err := listedFiles(fsys, dir)
	if err != nil {
		return &Fault{name, err}
	}
	return compareFiles(name, listed, Files(fsys, dir, config, func(string) {}))
}

// compareFiles compares the files that a table lists with those that are there.
func compareFiles(table string, listed, files map[string]string) *Fault {
	gone, found := "", 0
	for _, module := range slices.Sorted(maps.Keys(listed)) {
		if files[module] == listed[module] {
			found++
		} else if gone == "" {
			gone = listed[module]
		}
	}
	if gone != "" && found == 0 {
		return &Fault{table, ErrOther}
	}
	if gone != "" {
		return &Fault{table, fmt.Errorf("stale: %s, which it lists, is gone", gone)}
	}
	for _, module := range slices.Sorted(maps.Keys(files)) {
		if _, ok := listed[module]; !ok {
			return &Fault{table, fmt.Errorf("stale: %s is not in it", files[module])}
		}
	}
	return nil
}

// listedFiles returns the file of each module that modules.dep.bin, or else modules.dep, lists.
func listedFiles(fsys fs.FS, dir Dir) (table string, files map[string]string, err error) {
	files = make(map[string]string)
	add := func(line string) {
		if file, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && file != "" && file[0] != '#' {
			file = strings.Clone(file) // not memory of the table
			files[alias.FromPath(file)] = file
		}
	}
	table = "modules.dep.bin"
	x, err := OpenIndex(fsys, dir.Name+"/"+table)
	if err == nil {
		defer x.Close()
		err = x.Walk(func(_ []byte, v index.Value) bool { add(v.Value); return true })
		return table, files, err
	}
	table = "modules.dep"
	data, err := ReadText(fsys, dir.Name+"/"+table)
	for line := range strings.Lines(string(data)) {
		add(line)
	}
	return table, files, err
}

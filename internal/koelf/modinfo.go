package koelf

import (
	"bytes"
	"strings"
)

// Modinfo returns the strings of the section .modinfo, normally of the form
// "key=value", in the order of the file; empty ones, which are padding, are
// left out. The error is [ErrNoSection] if there is no such section.
func (f *File) Modinfo() ([]string, error) {
	data, off, err := f.contents(".modinfo")
	if err != nil {
		return nil, err
	}
	return splitStrings(data, off, ".modinfo")
}

// EachModinfo calls do with each string that Modinfo would return, in that
// order. The bytes are valid during the call only.
func (f *File) EachModinfo(do func(s []byte)) error {
	data, off, err := f.contents(".modinfo")
	if err == nil {
		data, err = stringsIn(data, off, ".modinfo")
	}
	for len(data) > 0 && err == nil {
		end := bytes.IndexByte(data, 0)
		if end > 0 {
			do(data[:end])
		}
		data = data[end+1:]
	}
	return err
}

// stringsIn checks that each string in a section ends in a NUL, and returns the
// section without the NULs it starts with.
func stringsIn(data []byte, off uint64, name string) ([]byte, error) {
	data, pad := trimNULs(data)
	if len(data) > 0 && data[len(data)-1] != 0 {
		return nil, badf(off+uint64(pad+len(data)-1), "%s does not end in a NUL", name)
	}
	return data, nil
}

// splitStrings cuts a section of strings that each end in a NUL.
func splitStrings(data []byte, off uint64, name string) ([]string, error) {
	data, err := stringsIn(data, off, name)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	list := make([]string, 0, bytes.Count(data, []byte{0}))
	rest := string(data)
	for rest != "" {
		var s string
		s, rest, _ = strings.Cut(rest, "\x00")
		if s != "" {
			list = append(list, s)
		}
	}
	return list, nil
}

// trimNULs returns data without the NULs it starts with, and their number.
func trimNULs(data []byte) ([]byte, int) {
	pad := 0
	for pad < len(data) && data[pad] == 0 {
		pad++
	}
	return data[pad:], pad
}

// BuildID returns the linker's fingerprint of the module, the descriptor of
// the note in .note.gnu.build-id; nil if there is none.
func (f *File) BuildID() []byte {
	data, _, err := f.contents(".note.gnu.build-id")
	if err != nil {
		return nil
	}
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

// ThisModule is the image of the kernel's struct module in a module.
type ThisModule struct {
	Size uint64 // bytes; that of the kernel the module was built for
	Name string // the module's name

	// Init and Exit are the offsets in the struct of the pointers to the
	// module's two functions; -1 if it lacks that function.
	Init, Exit int64
}

// ThisModule returns what the section .gnu.linkonce.this_module tells; false
// if there is none, or none that makes sense.
func (f *File) ThisModule() (ThisModule, bool) {
	const name = ".gnu.linkonce.this_module"
	i := f.find(name)
	if i == 0 {
		return ThisModule{}, false
	}
	data, _, err := f.contents(name)
	if err != nil {
		return ThisModule{}, false
	}
	_, size := f.extent(f.header(i))
	t := ThisModule{Size: size, Init: -1, Exit: -1}
	// The struct begins with an int, two pointers and the name, which has 64
	// bytes less one long.
	nameOff, nameEnd := 24, 24+56
	if !f.wide {
		nameOff, nameEnd = 12, 12+60
	}
	if len(data) >= nameEnd {
		name, _, _ := bytes.Cut(data[nameOff:nameEnd], []byte{0})
		t.Name = string(name)
	}
	if err := f.thisModuleCalls(i, &t); err != nil {
		return ThisModule{}, false
	}
	return t, true
}

// thisModuleCalls finds the two relocations of struct module, section number
// index, by the names of the functions they point to.
func (f *File) thisModuleCalls(index int, t *ThisModule) error {
	syms, err := f.symbols()
	if err != nil {
		return err
	}
	for i := 1; i < f.count; i++ {
		s := f.SectionAt(i)
		if (s.Type != shtRel && s.Type != shtRela) || int(s.Info) != index {
			continue
		}
		data, err := f.Data(s)
		if err != nil {
			return err
		}
		step := 2 * f.longSize()
		if s.Type == shtRela {
			step += f.longSize()
		}
		for ; len(data) >= step; data = data[step:] {
			var sym uint64
			if info := f.long(data[f.longSize():]); !f.wide {
				sym = info >> 8
			} else if f.machine == emMIPS && !f.big {
				sym = info & 0xffffffff // MIPS swaps the halves
			} else {
				sym = info >> 32
			}
			if sym >= uint64(syms.len()) {
				continue
			}
			switch string(syms.name(int(sym))) {
			case "init_module":
				t.Init = int64(f.long(data))
			case "cleanup_module":
				t.Exit = int64(f.long(data))
			}
		}
	}
	return nil
}

// Machines that need a word of their own.
const (
	emSPARC   = 2
	emMIPS    = 8
	emSPARCv9 = 43
)

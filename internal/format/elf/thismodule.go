package elf

import "bytes"

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
	return f.relocs(index, syms, func(off uint64, r reloc) {
		switch {
		case syms.is(r.symbol, "init_module"):
			t.Init = int64(off)
		case syms.is(r.symbol, "cleanup_module"):
			t.Exit = int64(off)
		}
	})
}

// Machines that need a word of their own.
const (
	emSPARC   = 2
	emMIPS    = 8
	emSPARCv9 = 43
)

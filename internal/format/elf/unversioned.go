package elf

import (
	"bytes"
	"errors"
)

// Unversioned returns a copy of the module that hides from the kernel what it
// was built for: what has to be done to force a module in by init_module,
// which takes no flags. Sizes and offsets stay as they are.
//
// With modversions the tables of versions, the plain one and both sections of
// the extended one, are no longer marked as to be loaded; with vermagic every
// string "vermagic=…" of .modinfo is overwritten by zeros. A module without
// these is copied as it is: the kernel has less to compare. An appended
// signature is cut off, since it no longer fits and a kernel refuses a module
// with a signature that does not fit even where it would take one without.
// kmod, which leaves the signature, cannot force a signed module in this way.
//
// The File must have been made by [Parse].
func (f *File) Unversioned(modversions, vermagic bool) ([]byte, error) {
	if f.image == nil {
		return nil, errors.New("module is not in memory")
	}
	image := f.image
	if modversions || vermagic {
		image, _ = SplitSignature(image)
		var err error
		if f, err = Parse(image); err != nil {
			return nil, err // what claims to be the signature reaches into the module
		}
	}
	image = bytes.Clone(image)
	if modversions {
		for i := 1; i < f.count; i++ {
			switch string(f.name(f.header(i))) {
			case "__versions", "__version_ext_crcs", "__version_ext_names":
				f.clearAlloc(image, i)
			}
		}
	}
	if !vermagic {
		return image, nil
	}
	data, off, err := f.contents(".modinfo")
	if errors.Is(err, ErrNoSection) {
		return image, nil
	}
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(data); {
		s, _, _ := bytes.Cut(data[at:], []byte{0})
		if bytes.HasPrefix(s, []byte("vermagic=")) {
			clear(image[off+uint64(at):][:len(s)])
		}
		at += len(s) + 1
	}
	return image, nil
}

// clearAlloc clears SHF_ALLOC in the flags of the section with that index.
func (f *File) clearAlloc(image []byte, index int) {
	at := f.shoff + uint64(index)*f.shsize() + 8
	if f.big {
		at += uint64(f.longSize()) - 1 // the last byte of the word
	}
	image[at] &^= SectionAlloc
}

package koelf

import (
	"bytes"
	"errors"
)

// ErrNoVermagic reports that there is no vermagic to take away.
var ErrNoVermagic = errors.New("no vermagic in .modinfo")

// Unversioned returns a copy of the module that hides from the kernel what it
// was built for: what has to be done to force a module in by init_module,
// which takes no flags. With modversions the section __versions is no longer
// marked as one to load; with vermagic the first string "vermagic=…" of
// .modinfo is overwritten by zeros. A module without __versions, or without
// anything in .modinfo, is copied as it is; one whose .modinfo has no vermagic
// is [ErrNoVermagic]. An appended signature stays, though it no longer fits.
//
// The File must have been made by [Parse].
func (f *File) Unversioned(modversions, vermagic bool) ([]byte, error) {
	if f.image == nil {
		return nil, errors.New("module is not in memory")
	}
	image := bytes.Clone(f.image)
	if i := f.find("__versions"); modversions && i != 0 {
		f.clearAlloc(image, i)
	}
	if !vermagic {
		return image, nil
	}
	data, off, err := f.contents(".modinfo")
	if errors.Is(err, ErrNoSection) || (err == nil && len(data) == 0) {
		return image, nil
	}
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(data); {
		s, _, _ := bytes.Cut(data[at:], []byte{0})
		if bytes.HasPrefix(s, []byte("vermagic=")) {
			clear(image[off+uint64(at):][:len(s)])
			return image, nil
		}
		at += len(s) + 1
	}
	return nil, ErrNoVermagic
}

// clearAlloc clears SHF_ALLOC in the flags of the section with that index.
func (f *File) clearAlloc(image []byte, index int) {
	at := f.shoff + uint64(index)*f.shsize() + 8
	if f.big {
		at += uint64(f.longSize()) - 1 // the last byte of the word
	}
	image[at] &^= shfAlloc
}

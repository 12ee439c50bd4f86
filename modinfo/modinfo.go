// Package modinfo reads what a Linux kernel module says about itself: the
// strings modinfo(8) prints, its parameters, the symbols it offers and needs,
// and who signed it.
//
// A module comes from a file, plain or compressed, of any architecture
// ([Open]), from memory ([Parse]), or is part of the kernel ([Builtin]):
//
//	m, err := modinfo.Open(os.DirFS("/"), "lib/modules/6.12.0/kernel/fs/ext4/ext4.ko.xz")
//	if err != nil {
//		return err
//	}
//	fmt.Println(m.Name(), m.Vermagic(), m.Depends())
//
// Names are resolved by package modprobe; this one knows only files. Whoever
// reads many of them may do so in several goroutines; memory for reading is
// shared and used again.
//
// # Fields
//
// A module's fields are "key=value" strings that the kernel's build puts into
// the section .modinfo, in no fixed order. A key may be there many times
// (alias, firmware, author) or not at all. [Module.Fields] yields them as they
// are; [Module.Field], [Module.Values] and the methods named after keys pick
// from them. [Module.Params] puts together what the fields tell about each
// parameter.
//
// # Errors and hostile files
//
// A file that is not a sound module is an error that is [ErrFormat]; as a
// *[FormatError] it tells the offset. A file without a section for fields is
// [ErrNoInfo], a file that expands to more than [MaxSize] is [ErrTooLarge], one
// in a compression that the build leaves out is [errors.ErrUnsupported], and
// the errors of the file system are passed on. What is damaged elsewhere than
// where one looks is not noticed, as with kmod. No input makes the package
// panic, loop, or allocate more than in proportion to the file and what it
// really expands to. Signatures are taken apart, never verified.
package modinfo

import (
	"bytes"
	"io"
	"io/fs"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// MaxSize is the largest size in bytes, after expansion, of a module file that
// is read.
const MaxSize = compress.DefaultLimit

// A Module is what a module says about itself. Its methods may be called by
// several goroutines at a time.
type Module struct {
	// Path is the name given to Open; "" for a module from elsewhere.
	Path string
	// Builtin is set if the module is part of the kernel.
	Builtin bool
	// Compression is how the file is compressed, as the kernel spells it in
	// /sys/module/compression: "gzip", "xz", "zstd"; "none" if it is not.
	Compression string

	name string         // of a builtin
	info []string       // the strings of .modinfo
	sig  *elf.Signature // with slices of its own
	fsys fs.FS          // where Path is found
	elf  *elf.File      // of a module in memory
}

// Open reads the fields and the signature of the module file with that name.
// Symbols are read from the file when they are asked for, so it has to stay in
// place until then; there is nothing to close. The errors are those that the
// package's documentation lists; with one there is no Module.
func Open(fsys fs.FS, name string) (*Module, error) {
	m := &Module{Path: name, fsys: fsys}
	if err := m.withELF(m.read); err != nil {
		return nil, err
	}
	return m, nil
}

// Parse reads a module, or a compressed module, from memory. The image must
// not change as long as the Module is used. The errors are as those of [Open].
func Parse(image []byte) (*Module, error) {
	m := &Module{Compression: compress.Detect(image).String()}
	image, err := compress.Expand(nil, image, MaxSize)
	if err == nil {
		m.elf, err = elf.Parse(image)
	}
	if err == nil {
		err = m.read(m.elf)
	}
	if err != nil {
		return nil, wrap("", err)
	}
	return m, nil
}

// read takes from the file what every Module has.
func (m *Module) read(f *elf.File) error {
	info, err := f.Modinfo()
	if err != nil {
		return err
	}
	sig, err := f.Signature()
	if err != nil {
		return err
	}
	m.info = info
	if sig != nil {
		m.sig = sig.Clone()
	}
	return nil
}

// arenas holds memory for parts of plain files.
var arenas = sync.Pool{New: func() any { return new(elf.Arena) }}

// withELF calls do with the module's file; do must not keep parts of it.
func (m *Module) withELF(do func(*elf.File) error) error {
	if m.elf != nil {
		return wrap(m.Path, do(m.elf))
	}
	if m.fsys == nil {
		return wrap(m.Path, errNoFile)
	}
	file, err := m.fsys.Open(m.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if r, ok := file.(io.ReaderAt); ok {
		arena := arenas.Get().(*elf.Arena)
		defer arenas.Put(arena)
		switch f, err := openPlain(file, r, arena); {
		case err != nil:
			return wrap(m.Path, err)
		case f != nil:
			m.setCompression(compress.None)
			return wrap(m.Path, do(f))
		}
	}
	return wrap(m.Path, compress.Use(file, MaxSize, func(image []byte, format compress.Format) error {
		m.setCompression(format)
		f, err := elf.Parse(image)
		if err != nil {
			return err
		}
		return do(f)
	}))
}

// setCompression notes the format when the file is read for the first time.
func (m *Module) setCompression(format compress.Format) {
	if m.Compression == "" {
		m.Compression = format.String()
	}
}

// openPlain prepares to read a few parts of a file that is not compressed, into
// memory from the arena. It returns nil for any other file.
func openPlain(file fs.File, r io.ReaderAt, arena *elf.Arena) (*elf.File, error) {
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil
	}
	head := headReader{r: r}
	n, err := r.ReadAt(head.buf[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head.n = n
	if compress.Detect(head.buf[:n]) != compress.None {
		return nil, nil
	}
	if fi.Size() > MaxSize {
		return nil, compress.ErrTooLarge
	}
	return arena.Open(&head, fi.Size())
}

// A headReader is a file whose first bytes have been read.
type headReader struct {
	r   io.ReaderAt
	n   int // how many bytes of buf are valid
	buf [64]byte
}

// ReadAt implements io.ReaderAt.
func (h *headReader) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 && len(p) <= h.n {
		return copy(p, h.buf[:h.n]), nil
	}
	return h.r.ReadAt(p, off)
}

// Name returns the name of the module as the kernel knows it: its field
// "name" or, in modules older than kernel 4.14, what the file is called.
func (m *Module) Name() string {
	if m.name != "" {
		return m.name
	}
	if name, ok := m.Field("name"); ok {
		return name
	}
	return alias.FromPath(m.Path)
}

// BuildID returns the fingerprint that the linker gave the module; nil if it
// has none.
func (m *Module) BuildID() ([]byte, error) {
	if m.Builtin {
		return nil, nil
	}
	var id []byte
	err := m.withELF(func(f *elf.File) error {
		id = bytes.Clone(f.BuildID())
		return nil
	})
	return id, err
}

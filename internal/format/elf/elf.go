// Package elf reads kernel modules: ELF relocatable objects of either word
// size and byte order, whatever machine reads them.
//
// It is written for files that nobody vouches for. Every offset and size is
// checked before it is used, nothing a file claims sizes an allocation beyond
// the file itself, and every [FormatError] points at the bad offset. [Parse]
// works on a whole module in memory and copies next to nothing: slices and
// strings it returns are parts of the image, which must not change as long as
// they are used. [Open] reads of a plain file only the parts asked for.
//
// Which section is meant and what a malformed one leads to follows kmod: a
// section is found by its name, the first one of that name counts, and neither
// the type nor the machine of the object is looked at.
package elf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// ErrNotELF is what a [FormatError] unwraps to when the file does not begin as
// an ELF object does. It does not apply to a file of less than six bytes.
var ErrNotELF = errors.New("not an ELF object")

// ErrNoSection reports that a module lacks the section something is read from.
// Most sections are optional, so often this is an answer rather than an error.
// As in kmod, a section that does not fit in the file is as good as none; the
// error is then a [FormatError] as well.
var ErrNoSection = errors.New("no such section")

// A FormatError is a defect of a module file.
type FormatError struct {
	Off  int64  // offset in the module file, expanded
	What string // what is wrong there
	Err  error  // ErrNotELF, ErrNoSection or nil
}

// Error returns the defect and its offset.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at offset %#x", e.What, e.Off)
}

// Unwrap returns e.Err.
func (e *FormatError) Unwrap() error { return e.Err }

func badf(off uint64, format string, args ...any) error {
	return &FormatError{Off: int64(off), What: fmt.Sprintf(format, args...)}
}

// maxPart is the largest part of a file that Open's methods read in one piece.
// The largest real ones, symbol tables of GPU drivers, have some MiB.
const maxPart = 1 << 28

// tailGuess is how far before the section headers Open starts to read: the
// table of section names lies there, and is smaller than this.
const tailGuess = 2 << 10

// maxTail is the most that Open reads behind the section headers on the
// chance that it is the signature.
const maxTail = 64 << 10

// A File is a module. Its methods only read it; a File made by [Parse] may be
// used by several goroutines at a time.
type File struct {
	image []byte      // all of it, or nil
	r     io.ReaderAt // where to read it from, if image is nil
	size  uint64      // of the file

	tail  window // what Open has read from the end
	ahead window // what readAhead has read
	arena *Arena // where memory comes from, or nil

	wide, big bool   // 64-bit; big-endian
	typ       uint16 // e_type
	machine   uint16 // e_machine
	flags     uint32 // e_flags
	headers   []byte // the section header table
	shoff     uint64 // its offset
	count     int    // its number of entries
	names     []byte // the section name table
}

// A window is a part of a file that has been read.
type window struct {
	data []byte
	off  uint64 // where it starts in the file
}

// part returns n bytes at off, if they are in the window.
func (w *window) part(off, n uint64) ([]byte, bool) {
	size := uint64(len(w.data))
	if off < w.off || off-w.off > size || n > size-(off-w.off) {
		return nil, false
	}
	return w.data[off-w.off:][:n:n], true
}

// Sizes of the records of 64-bit and 32-bit objects.
const (
	ehsize64, ehsize32   = 64, 52
	shsize64, shsize32   = 64, 40
	symsize64, symsize32 = 24, 16
)

// Section types and indexes that mean something to this package.
const (
	shtRela   = 4
	shtNobits = 8
	shtRel    = 9

	shnUndef = 0
	shnAbs   = 0xfff1
)

// Parse reads the header and checks that the section table and the table of
// section names lie in the image. Whether a section does is found out when it
// is read, or by [File.CheckSections].
func Parse(image []byte) (*File, error) {
	f := &File{image: image, size: uint64(len(image))}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// Open is Parse for a file of which most is not wanted: it reads the header and
// the end of the file, and the methods read what they need. The size is that
// of the file. The File must not be used by several goroutines at a time.
func Open(r io.ReaderAt, size int64) (*File, error) {
	if size < 0 {
		return nil, badf(0, "negative file size")
	}
	f := &File{r: r, size: uint64(size)}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) parse() error {
	head, err := f.read(0, min(f.size, ehsize64))
	if err != nil {
		return err
	}
	switch {
	case len(head) < 6:
		return badf(0, "file of %d bytes", len(head))
	case len(head) <= 16 || string(head[:4]) != "\x7fELF":
		return &FormatError{0, "no ELF header", ErrNotELF}
	case head[4] != 1 && head[4] != 2:
		return badf(4, "unknown ELF class %d", head[4])
	case head[5] != 1 && head[5] != 2:
		return badf(5, "unknown ELF byte order %d", head[5])
	}
	f.wide, f.big = head[4] == 2, head[5] == 2
	ehsize, shsize := ehsize32, shsize32
	if f.wide {
		ehsize, shsize = ehsize64, shsize64
	}
	if len(head) < ehsize {
		return badf(uint64(len(head)), "file ends in the ELF header")
	}
	f.typ, f.machine = f.u16(head[16:]), f.u16(head[18:])
	var entsize, strndx int
	if f.wide {
		f.shoff, f.flags = f.u64(head[40:]), f.u32(head[48:])
		entsize, f.count, strndx = int(f.u16(head[58:])), int(f.u16(head[60:])), int(f.u16(head[62:]))
	} else {
		f.shoff, f.flags = uint64(f.u32(head[32:])), f.u32(head[36:])
		entsize, f.count, strndx = int(f.u16(head[46:])), int(f.u16(head[48:])), int(f.u16(head[50:]))
	}
	if entsize != shsize {
		return badf(uint64(ehsize)-6, "section headers of %d bytes, not %d", entsize, shsize)
	}
	return f.parseSections(uint64(ehsize), strndx)
}

// parseSections reads the section header table, with the names and whatever
// follows it where the whole file is not in memory.
func (f *File) parseSections(ehsize uint64, strndx int) error {
	tableSize := uint64(f.count) * f.shsize()
	if f.shoff > f.size || tableSize > f.size-f.shoff {
		return badf(f.shoff, "section header table of %d entries does not fit in the file", f.count)
	}
	if f.count == 0 {
		return f.noSections(ehsize - 4)
	}
	if strndx == 0 || strndx >= f.count {
		return badf(ehsize-2, "section name table has the index %d of %d", strndx, f.count)
	}
	if f.image == nil {
		if err := f.readTail(tableSize); err != nil {
			return err
		}
	}
	var err error
	if f.headers, err = f.read(f.shoff, tableSize); err != nil {
		return err
	}
	h := f.header(strndx)
	off, size := f.extent(h)
	if size == 0 {
		return badf(f.shoff+uint64(strndx)*f.shsize(), "section name table is empty")
	}
	if !f.fits(off, size) {
		return badf(f.shoff+uint64(strndx)*f.shsize(), "section name table does not fit in the file")
	}
	if f.names, err = f.read(off, size); err != nil {
		return err
	}
	if f.names[size-1] != 0 {
		return badf(off+size-1, "section name table does not end in a NUL")
	}
	if f.name(h) == nil {
		return badf(f.shoff+uint64(strndx)*f.shsize(), "section name table has a bad name")
	}
	return nil
}

// maxSections is how many sections the header of an ELF file can count. More are counted by the first section header,
// which neither kernels nor kmod look at.
const maxSections = 0xff00 - 1

// noSections says why a header, which counts sections at off, counts none: there are none, or too many.
func (f *File) noSections(off uint64) error {
	if first, err := f.read(f.shoff, f.shsize()); f.shoff > 0 && err == nil {
		if _, n := f.extent(first); n > maxSections {
			return badf(off, "%d sections, more than the %d that a kernel takes", n, maxSections)
		}
	}
	return badf(off, "no sections")
}

// readTail reads the section headers together with their usual neighbours: the
// section names before them and the signature behind them.
func (f *File) readTail(tableSize uint64) error {
	start := f.shoff - min(f.shoff, tailGuess)
	end := f.shoff + tableSize
	if f.size-end <= maxTail {
		end = f.size
	}
	tail, err := f.read(start, end-start)
	if err != nil {
		return err
	}
	f.tail = window{tail, start}
	return nil
}

// maxGap is the most that readAhead reads between two sections for nothing.
const maxGap = 8 << 10

// readAhead reads two sections that are mostly near each other in one piece,
// if the file is not in memory.
func (f *File) readAhead(first, second string) error {
	i, j := f.find(first), f.find(second)
	if f.image != nil || i == 0 || j == 0 {
		return nil
	}
	off, size := f.extent(f.header(i))
	next, more := f.extent(f.header(j))
	if next < off {
		off, size, next, more = next, more, off, size
	}
	if !f.fits(off, size) || !f.fits(next, more) || next-off > size+maxGap || f.u32(f.header(i)[4:]) == shtNobits ||
		f.u32(f.header(j)[4:]) == shtNobits {
		return nil
	}
	data, err := f.read(off, max(size, next-off+more))
	if err == nil {
		f.ahead = window{data, off}
	}
	return err
}

// fits reports whether the file has n bytes at off.
func (f *File) fits(off, n uint64) bool { return off <= f.size && n <= f.size-off }

// read returns a part of the file.
func (f *File) read(off, n uint64) ([]byte, error) {
	if !f.fits(off, n) {
		return nil, badf(off, "part of %d bytes does not fit in the file", n)
	}
	if f.image != nil {
		return f.image[off:][:n:n], nil
	}
	if n == 0 {
		return []byte{}, nil
	}
	if part, ok := f.tail.part(off, n); ok {
		return part, nil
	}
	if part, ok := f.ahead.part(off, n); ok {
		return part, nil
	}
	if n > maxPart {
		return nil, badf(off, "part of %d bytes is too large", n)
	}
	b := f.arena.take(int(n))
	if m, err := f.r.ReadAt(b, int64(off)); m < len(b) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

func (f *File) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if f.big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (f *File) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if f.big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (f *File) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if f.big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// long reads an unsigned long of the module's machine.
func (f *File) long(b []byte) uint64 {
	if f.wide {
		return f.u64(b)
	}
	return uint64(f.u32(b))
}

// longSize is the size of an unsigned long of the module's machine.
func (f *File) longSize() int {
	if f.wide {
		return 8
	}
	return 4
}

// Class returns the word size of the module: 64 or 32.
func (f *File) Class() int { return 8 * f.longSize() }

// ByteOrder returns the byte order of the module.
func (f *File) ByteOrder() binary.ByteOrder {
	if f.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// TypeRelocatable is the type of modules, ET_REL.
const TypeRelocatable = 1

// Type returns the type of the object, [TypeRelocatable] for a module.
func (f *File) Type() uint16 { return f.typ }

// Machine returns the number of the machine, such as EM_X86_64 (62).
func (f *File) Machine() uint16 { return f.machine }

// Flags returns the flags of the machine.
func (f *File) Flags() uint32 { return f.flags }

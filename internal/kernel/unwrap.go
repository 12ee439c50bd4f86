package kernel

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

const (
	// imageLimit is the largest kernel that is expanded.
	imageLimit = 512 << 20

	// workLimit is how many bytes are read and made in all until a kernel is found: an image that was made to keep
	// us busy offers many places where one may be, or kernels that are wrapped in each other.
	workLimit = 2 * imageLimit
)

// ErrImage reports a file that is no boot image, or none that can be read.
var ErrImage = errors.New("not a kernel image")

// Unwrap takes off what a boot image is wrapped in: a compressed file, the header of bzImage, EFI zboot, arm's
// zImage, a unified kernel image, and programs that carry a compressed kernel in their data. It returns the kernel
// itself, ELF or raw, and the way there for people ("bzImage, xz"). The result may be part of image.
func Unwrap(image []byte) (kernel []byte, way string, err error) {
	u := unwrapper{imageLimit, workLimit}
	return u.all(image)
}

// An unwrapper knows how much it may still do.
type unwrapper struct {
	size int64 // of a kernel
	work int64 // left
}

func (u *unwrapper) all(image []byte) (kernel []byte, way string, err error) {
	for range 6 {
		inner, step, err := u.once(image)
		if err != nil {
			return nil, way, err
		}
		if inner == nil {
			return image, way, nil
		}
		if way != "" {
			way += ", "
		}
		way += step
		image = inner
	}
	return nil, way, fmt.Errorf("%w: wrapped more than six times", ErrImage)
}

// once takes off the outermost wrapping; inner is nil if there is none.
func (u *unwrapper) once(image []byte) (inner []byte, step string, err error) {
	if len(image) < 1024 {
		return nil, "", fmt.Errorf("%w: %d bytes", ErrImage, len(image))
	}
	if name := packedWith(image); name != "" {
		if inner, err = u.expand(name, image, sizeHint(image)); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		return inner, name, nil
	}
	switch {
	case string(image[0x202:0x206]) == "HdrS":
		inner, err = bzImage(image)
		return inner, "bzImage", err
	case string(image[4:8]) == "zimg":
		inner, err = zboot(image)
		return inner, "EFI zboot", err
	case string(image[:2]) == "MZ":
		if inner = peSection(image, ".linux"); inner != nil {
			return inner, "unified kernel image", nil
		}
		if string(image[0x38:0x3c]) == "ARM\x64" {
			return nil, "", nil // arm64's Image is raw
		}
	case string(image[:4]) == "\x7fELF":
		if f, err := elf.Parse(image); err == nil {
			if _, ok := f.Section("__ksymtab"); ok {
				return nil, "", nil
			}
			if _, ok := f.Section("__ksymtab_gpl"); ok {
				return nil, "", nil
			}
		}
	}
	if exporting(image) {
		// Strings show through lz4: what looks like a raw kernel may still be a packed one.
		if inner, step = u.embedded(image, "lz4"); exporting(inner) {
			return inner, step, nil
		}
		return nil, "", nil
	}
	for _, m := range magics {
		if inner, step = u.embedded(image, m.name); inner != nil {
			return inner, step, nil
		}
	}
	return nil, "", fmt.Errorf("%w: neither exports nor a compressed kernel in it", ErrImage)
}

// exporting tells whether a kernel has the name that all kernels with modules export.
func exporting(kernel []byte) bool {
	return bytes.Contains(kernel, []byte("\x00"+LayoutSymbol+"\x00"))
}

// bzImage returns the compressed kernel within an x86 boot image (boot protocol 2.08 and later).
func bzImage(image []byte) ([]byte, error) {
	le := binary.LittleEndian
	if v := le.Uint16(image[0x206:]); v < 0x208 {
		return nil, fmt.Errorf("%w: boot protocol %d.%02d does not say where the kernel is", ErrImage, v>>8,
			v&0xff)
	}
	setup := uint64(image[0x1f1])
	if setup == 0 {
		setup = 4
	}
	off := (setup+1)*512 + uint64(le.Uint32(image[0x248:]))
	n, size := uint64(le.Uint32(image[0x24c:])), uint64(len(image))
	if off > size || n > size-off || n < 1024 {
		return nil, fmt.Errorf("%w: payload of %d bytes at %#x, but the file has %d", ErrImage, n, off, size)
	}
	return image[off : off+n : off+n], nil
}

// zboot returns the compressed kernel within an EFI zboot image.
func zboot(image []byte) ([]byte, error) {
	le := binary.LittleEndian
	off, n, size := uint64(le.Uint32(image[8:])), uint64(le.Uint32(image[12:])), uint64(len(image))
	if off > size || n > size-off || n < 1024 {
		return nil, fmt.Errorf("%w: zboot payload of %d bytes at %#x, but the file has %d", ErrImage, n, off,
			size)
	}
	return image[off : off+n : off+n], nil
}

// peSection returns a section of a PE program, or nil.
func peSection(image []byte, name string) []byte {
	le := binary.LittleEndian
	size := uint64(len(image))
	pe := uint64(le.Uint32(image[0x3c:]))
	if pe > size || 24 > size-pe || string(image[pe:pe+4]) != "PE\x00\x00" {
		return nil
	}
	count := uint64(le.Uint16(image[pe+6:]))
	at := pe + 24 + uint64(le.Uint16(image[pe+20:]))
	for ; count > 0 && at <= size && 40 <= size-at; count, at = count-1, at+40 {
		if string(bytes.TrimRight(image[at:at+8], "\x00")) != name {
			continue
		}
		n, off := uint64(min(le.Uint32(image[at+8:]), le.Uint32(image[at+16:]))),
			uint64(le.Uint32(image[at+20:]))
		if off <= size && n <= size-off && n >= 1024 {
			return image[off : off+n : off+n]
		}
	}
	return nil
}

// magics are the first bytes of what kernels are packed with. lzma's are told by isLZMA.
var magics = [...]struct{ name, magic string }{
	{"gzip", "\x1f\x8b\x08"}, {"xz", "\xfd7zXZ\x00"}, {"zstd", "\x28\xb5\x2f\xfd"}, {"lz4", lz4Magic},
	{"bzip2", "BZh91AY&SY"}, {"lzma", "\x5d\x00\x00"}, {"lzo", "\x89LZO\x00\r\n\x1a\n"},
}

// isLZMA recognizes the header of an .lzma file as xz and the kernel's build write it: parameters, the dictionary's
// size, the content's size if it is known, and the first byte of what follows.
func isLZMA(b []byte) bool {
	const head = 13
	if len(b) < head+5 || b[0] != 0x5d || b[head] != 0 {
		return false
	}
	dict, size := binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint64(b[5:])
	return dict >= 1<<12 && dict&(dict-1) == 0 && (size == ^uint64(0) || size < 1<<32)
}

// packedWith names the compression that b begins with, or "".
func packedWith(b []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(b, []byte(m.magic)) && (m.name != "lzma" || isLZMA(b)) {
			return m.name
		}
	}
	return ""
}

// expand expands the stream at the start of b and ignores what follows it. hint is how much that may give.
func (u *unwrapper) expand(name string, b []byte, hint int) (kernel []byte, err error) {
	var work int64
	limit := min(u.size, u.work)
	if limit <= 0 {
		return nil, compress.ErrTooLarge
	}
	switch name {
	case "lz4":
		kernel, work, err = expandLZ4(b, int(limit))
	case "lzma":
		kernel, work, err = compress.FirstLZMA(b, hint, limit)
	case "bzip2":
		kernel, work, err = expandBzip2(b, limit)
	case "lzo":
		err = errors.ErrUnsupported
	default:
		kernel, work, err = compress.First(b, hint, limit)
	}
	u.work -= work
	return kernel, err
}

// sizeHint is the size that stands behind the compressed kernel in many boot images, as far as the data can back it.
func sizeHint(b []byte) int {
	return int(min(uint64(binary.LittleEndian.Uint32(b[len(b)-4:])), 16*uint64(len(b)), imageLimit))
}

// expandBzip2 expands the stream at the start of b.
func expandBzip2(b []byte, limit int64) (kernel []byte, work int64, err error) {
	in := bytes.NewReader(b)
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(bzip2.NewReader(in), limit+1))
	work = int64(len(b)-in.Len()) + n
	if errors.Is(err, bzip2.StructuralError("bad magic value in continuation file")) && n > 0 {
		err = nil // what follows is no bzip2
	}
	if n > limit {
		err = compress.ErrTooLarge
	}
	return out.Bytes(), work, err
}

// embedded looks for a kernel compressed in that way anywhere in a program. What expands to more than the limit ends
// the search.
func (u *unwrapper) embedded(image []byte, name string) (kernel []byte, step string) {
	magic := ""
	for _, m := range magics {
		if m.name == name {
			magic = m.magic
		}
	}
	for off, tries := 0, 0; tries < 16; tries++ {
		i := bytes.Index(image[off:], []byte(magic))
		if i < 0 {
			break
		}
		off += i
		if name != "lzma" || isLZMA(image[off:]) {
			kernel, err := u.expand(name, image[off:], 0)
			if err == nil && len(kernel) > 1<<16 {
				return kernel, name + " inside"
			}
			if errors.Is(err, compress.ErrTooLarge) {
				break
			}
		}
		off++
	}
	return nil, ""
}

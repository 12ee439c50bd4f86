package initramfs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
)

// Member is one of the archives that an image is a row of.
type Member struct {
	// Index counts from 0.
	Index int
	// Offset in the image, in bytes.
	Offset int64
	// Compression is "gzip", "xz" or "zstd", or "" for none.
	Compression string
}

// File is an entry as it is found in an image.
type File struct {
	// Entry is the path, type and content; its Open is nil, since an image is read from the beginning to the end.
	// Use Reader.Read.
	Entry
	// Member the entry is in.
	Member *Member
	// ModTime in seconds since 1970.
	ModTime uint32
	// UID and GID are the owner and group.
	UID, GID uint32
	// Links is 2 or more for a file that has several names; Ino then tells which names belong together, within one
	// member. All but one of them may be empty.
	Links, Ino uint32
}

// ImageError says what is wrong with an image and where.
type ImageError struct {
	// Member counts from 0.
	Member int
	// Offset of the member in the image, in bytes; offsets in Err are relative to its beginning, after expansion.
	Offset int64
	// Err is the cause.
	Err error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("member %d at offset %d: %v", e.Member, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *ImageError) Unwrap() error { return e.Err }

// A Reader reads an image entry by entry, through all its members: what early microcode or compressed modules are in
// as well as the compressed rest. It takes any compression it knows (gzip, xz, zstd) in any order, as the kernel does.
type Reader struct {
	in     *counter
	buf    *bufio.Reader // of in
	member *Member
	stream io.ReadCloser // expands the current member; nil: not compressed
	cpio   *cpio.Reader
	count  int // of entries
	err    error
}

// maxEntries bounds what those who remember all entries of an image have to remember.
const maxEntries = 1 << 22

// NewReader returns a Reader of an image.
func NewReader(r io.Reader) *Reader {
	in := &counter{r: r}
	return &Reader{in: in, buf: bufio.NewReaderSize(in, 64<<10)}
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// offset is how far the image has been used.
func (r *Reader) offset() int64 { return r.in.n - int64(r.buf.Buffered()) }

// Next goes to the next entry. It returns io.EOF at the end of the image; other errors are *ImageError.
func (r *Reader) Next() (*File, error) {
	for r.err == nil {
		if r.cpio == nil {
			r.fail(r.open())
			continue
		}
		h, err := r.cpio.Next()
		if r.count++; r.count > maxEntries {
			r.fail(errTooMany)
		} else if err == nil {
			f, err := r.file(h)
			r.fail(err)
			if err == nil {
				return f, nil
			}
		} else if err == io.EOF {
			r.fail(r.more())
		} else {
			r.fail(err)
		}
	}
	return nil, r.err
}

// All returns the entries that are left, each with a nil error, or an error at the end. The content of an entry can
// be read before the next one is asked for.
func (r *Reader) All() iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		for {
			f, err := r.Next()
			if err == io.EOF || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Read reads the content of the current regular file.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.cpio == nil {
		return 0, io.EOF
	}
	n, err := r.cpio.Read(p)
	if err != nil && err != io.EOF {
		r.fail(err)
		err = r.err
	}
	return n, err
}

// fail remembers an error.
func (r *Reader) fail(err error) {
	switch {
	case err == nil:
	case err == io.EOF:
		r.err = io.EOF
	default:
		e := &ImageError{Err: err, Offset: r.offset()}
		if r.member != nil {
			e.Member, e.Offset = r.member.Index, r.member.Offset
		}
		r.err = e
	}
}

// open finds the next member: zero bytes before it are skipped.
func (r *Reader) open() error {
	m := &Member{}
	if r.member != nil {
		m.Index = r.member.Index + 1
	}
	for {
		b, err := r.buf.Peek(1)
		if err != nil {
			return err
		}
		if b[0] != 0 {
			break
		}
		r.buf.Discard(1)
	}
	m.Offset = r.offset()
	r.member = m
	head, err := r.buf.Peek(6)
	if err != nil && err != io.EOF {
		return err
	}
	if head[0] == '0' {
		if m.Offset%4 != 0 {
			return errors.New("begins at an offset that is no multiple of four")
		}
		r.cpio = cpio.NewReader(r.buf)
		return nil
	}
	format := compress.Detect(head)
	if format == compress.None {
		return unknown(head)
	}
	m.Compression = format.String()
	if r.stream, err = compress.Stream(r.buf, format); err != nil {
		return err
	}
	r.cpio = cpio.NewReader(r.stream)
	return nil
}

var errTooMany = fmt.Errorf("more than %d entries", maxEntries)

// unknown names what the kernel may read but this package does not.
func unknown(head []byte) error {
	for _, k := range [...]struct{ magic, name string }{
		{"BZh", "bzip2"}, {"\x5d\x00\x00", "lzma"}, {"\x89LZO", "lzo"}, {"\x02\x21\x4c\x18", "lz4"},
		{"\x04\x22\x4d\x18", "lz4"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return fmt.Errorf("compressed with %s: %w", k.name, errors.ErrUnsupported)
		}
	}
	return fmt.Errorf("neither an archive nor compressed: it begins with %q", head)
}

// more goes on after the end of an archive: with another one in the same stream, or with the next member.
func (r *Reader) more() error {
	if r.stream == nil {
		r.cpio = nil
		return nil
	}
	err := r.cpio.NextMember()
	if err == nil {
		return nil
	}
	if err != io.EOF {
		return err
	}
	err = r.stream.Close()
	r.stream, r.cpio = nil, nil
	return err
}

// file turns a header into a File.
func (r *Reader) file(h *cpio.Header) (*File, error) {
	name := path.Clean("/" + h.Name)[1:]
	if name == "" {
		name = "."
	}
	f := &File{
		Entry:   Entry{Path: name, Size: h.Size, Major: h.Major, Minor: h.Minor},
		Member:  r.member,
		ModTime: h.ModTime, UID: h.UID, GID: h.GID, Links: h.Links, Ino: h.Ino,
	}
	f.Mode = fs.FileMode(h.Mode & 0o777)
	for _, b := range modeBits {
		if h.Mode&b.bit != 0 {
			f.Mode |= b.mode
		}
	}
	switch h.Type() {
	case cpio.TypeRegular:
	case cpio.TypeDir:
		f.Mode |= fs.ModeDir
	case cpio.TypeSymlink:
		f.Mode |= fs.ModeSymlink
		var target strings.Builder
		if _, err := io.Copy(&target, r.cpio); err != nil {
			return nil, err
		}
		f.Target = strings.TrimRight(target.String(), "\x00")
	case cpio.TypeChar:
		f.Mode |= fs.ModeDevice | fs.ModeCharDevice
	case cpio.TypeBlock:
		f.Mode |= fs.ModeDevice
	case cpio.TypeFifo:
		f.Mode |= fs.ModeNamedPipe
	case cpio.TypeSocket:
		f.Mode |= fs.ModeSocket
	default:
		return nil, fmt.Errorf("%s: unknown type of file in mode %o", name, h.Mode)
	}
	return f, nil
}

package cpio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A Reader reads the entries of one member after the other. What it refuses the kernel refuses too,
// or reads in a way that cannot be meant; it never trusts a size to allocate memory.
type Reader struct {
	r     *bufio.Reader
	off   int64 // in the stream
	left  int64 // of the current content
	size  int64 // of the current content
	sum   uint32
	check uint32 // wanted sum
	summed,
	trailer bool // the last header was the trailer
	err error
}

// NewReader returns a Reader of r. If r is a *bufio.Reader of at least 4 KiB it is used as it is, and
// after the last member stands where that member ends.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 4096)}
}

// Next goes to the next entry. It returns io.EOF at the end of the member: its trailer or, as for the
// kernel, the end of the stream between two entries. NextMember then goes on.
func (r *Reader) Next() (*Header, error) {
	if r.err != nil {
		return nil, r.err
	}
	h, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	return h, nil
}

func (r *Reader) next() (*Header, error) {
	if _, err := io.Copy(io.Discard, (*content)(r)); err != nil {
		return nil, err
	}
	if err := r.skipPadding("the content of the entry before"); err != nil {
		return nil, err
	}
	start := r.off
	var raw [headerSize]byte
	if n, err := io.ReadFull(r.r, raw[:]); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, cut(start, n, err, "header")
	}
	r.off += headerSize
	h := &Header{Offset: start}
	nameSize, err := r.parse(h, &raw)
	if err != nil {
		return nil, err
	}
	if h.Name, err = r.readName(nameSize); err != nil {
		return nil, err
	}
	if h.Name == trailerName {
		if h.Size != 0 {
			return nil, &FormatError{start, "trailer with content"}
		}
		r.trailer = true
		return nil, io.EOF
	}
	if h.Size > 0 && h.Type() != TypeRegular && h.Type() != TypeSymlink {
		return nil, &FormatError{start, fmt.Sprintf("%q has content, which mode %o cannot have", h.Name,
			h.Mode)}
	}
	if h.Type() == TypeSymlink && (h.Size == 0 || h.Size > MaxName) {
		return nil, &FormatError{start, fmt.Sprintf("%q: target of %d bytes", h.Name, h.Size)}
	}
	r.left, r.size, r.sum = h.Size, h.Size, 0
	return h, nil
}

// parse reads the numbers of a header.
func (r *Reader) parse(h *Header, raw *[headerSize]byte) (nameSize uint32, err error) {
	switch string(raw[:6]) {
	case "070701":
		r.summed = false
	case "070702":
		r.summed = true
	case "070707":
		return 0, &FormatError{h.Offset,
			"this is the old portable format (odc), which the kernel does not read"}
	default:
		return 0, &FormatError{h.Offset, fmt.Sprintf("no archive header here: %q", raw[:6])}
	}
	var v [13]uint32
	for i := range v {
		at := 6 + 8*i
		if v[i], err = hex(raw[at : at+8]); err != nil {
			return 0, &FormatError{h.Offset + int64(at), err.Error()}
		}
	}
	h.Ino, h.Mode, h.UID, h.GID, h.Links, h.ModTime, h.Size = v[0], v[1], v[2], v[3], v[4], v[5], int64(v[6])
	h.DevMajor, h.DevMinor, h.Major, h.Minor = v[7], v[8], v[9], v[10]
	r.check = v[12]
	if v[11] == 0 || v[11] > MaxName+1 {
		return 0, &FormatError{h.Offset + 94, fmt.Sprintf("name of %d bytes; it must be 1 to %d with its NUL",
			v[11], MaxName+1)}
	}
	return v[11], nil
}

// readName reads the name and the padding after it. More than one NUL at its end is allowed.
func (r *Reader) readName(size uint32) (string, error) {
	start := r.off
	name := make([]byte, size)
	if n, err := io.ReadFull(r.r, name); err != nil {
		return "", cut(start, n, err, "name")
	}
	r.off += int64(size)
	end := 0
	for end < len(name) && name[end] != 0 {
		end++
	}
	if end == len(name) {
		return "", &FormatError{start, "name without a NUL at its end"}
	}
	for _, c := range name[end:] {
		if c != 0 {
			return "", &FormatError{start + int64(end), "NUL inside a name"}
		}
	}
	if end == 0 {
		return "", &FormatError{start, "empty name"}
	}
	return string(name[:end]), r.skipPadding("a name")
}

// Read reads content of the current entry; io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil && r.err != io.EOF {
		return 0, r.err
	}
	n, err := (*content)(r).Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// content reads what is left of the current entry.
type content Reader

func (r *content) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.off += int64(n)
	r.left -= int64(n)
	if r.summed {
		for _, c := range p[:n] {
			r.sum += uint32(c)
		}
		if r.left == 0 && r.sum != r.check {
			return n, &FormatError{r.off, fmt.Sprintf("checksum is %08x; the header says %08x", r.sum,
				r.check)}
		}
	}
	if err == io.EOF && r.left > 0 {
		return n, &FormatError{r.off, fmt.Sprintf("file ends with %d of %d bytes of content missing", r.left,
			r.size)}
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

// NextMember goes past the padding after a trailer to the next uncompressed member and makes Next
// read it. It returns io.EOF at the end of the stream and ErrNotArchive, with the stream before the
// strange byte, if something else follows, as a compressed member.
func (r *Reader) NextMember() error {
	if r.err != io.EOF {
		if r.err != nil {
			return r.err
		}
		return errors.New("the member before has not been read to its end")
	}
	for {
		b, err := r.r.Peek(1)
		if err == io.EOF {
			return io.EOF
		} else if err != nil {
			return err
		}
		switch {
		case b[0] == 0:
			r.r.Discard(1)
			r.off++
		case b[0] != '0':
			return ErrNotArchive
		case r.off%4 != 0:
			return &FormatError{r.off, "member begins at an offset that is no multiple of four"}
		default:
			r.err, r.trailer = nil, false
			return nil
		}
	}
}

// ErrNotArchive reports, from NextMember, that the bytes that follow are no archive header.
var ErrNotArchive = errors.New("not an uncompressed archive member")

// Offset returns how many bytes of the stream have been taken.
func (r *Reader) Offset() int64 { return r.off }

// Ended reports whether the last member was ended by a trailer, as it should be.
func (r *Reader) Ended() bool { return r.trailer }

// skipPadding goes to the next multiple of four. What the padding consists of does not matter, but
// the end of the file may come instead of it only after a trailer.
func (r *Reader) skipPadding(after string) error {
	for r.off%4 != 0 {
		if _, err := r.r.ReadByte(); err != nil {
			return cut(r.off, 0, err, "padding after "+after)
		}
		r.off++
	}
	return nil
}

// cut turns a read error into a FormatError if the file just ended.
func cut(off int64, n int, err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &FormatError{off + int64(n), "file ends inside the " + what}
	}
	return err
}

// hex reads eight hexadecimal digits.
func hex(b []byte) (v uint32, err error) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, fmt.Errorf("not eight hexadecimal digits: %q", b)
		}
		v = v<<4 | uint32(c)
	}
	return v, nil
}

package cpio

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Writer writes one member of an archive. Entries get ascending inode numbers, one link each and no
// device, so the bytes depend on nothing but the headers and contents given.
//
// Parents come before children: an entry whose directory was not written before (by WriteHeader, or
// promised with Assume) is refused, because the kernel would drop it silently.
type Writer struct {
	w    io.Writer
	buf  []byte
	off  int64 // bytes written to the member, buffered ones included
	left int64 // content still owed by the caller
	ino  uint32
	seen map[string]bool // name → is a directory or may be one
	name string          // of the current entry, for messages
	err  error
}

// bufSize is how much is gathered before a write. Contents that are larger go past the buffer.
const bufSize = 64 << 10

// NewWriter returns a Writer that appends a member to w, whose offset must be a multiple of four.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: make([]byte, 0, bufSize), seen: make(map[string]bool)}
}

// Assume tells the Writer that the directory dir is there when the archive is unpacked, for example
// from an earlier member, so that it needs no entry.
func (w *Writer) Assume(dir string) { w.seen[dir] = true }

// WriteHeader begins an entry. The content, h.Size bytes, follows through Write or ReadFrom. Only
// regular files and symbolic links have content.
func (w *Writer) WriteHeader(h *Header) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(h); err != nil {
		return err
	}
	if err := w.finish(); err != nil {
		return err
	}
	w.ino++
	w.seen[h.Name] = h.Type() == TypeDir
	w.header(h, w.ino, 1)
	w.name, w.left = h.Name, h.Size
	return w.err
}

// check finds out whether the entry may be written here.
func (w *Writer) check(h *Header) error {
	if !ValidName(h.Name) {
		return fmt.Errorf("%q: %w", h.Name, ErrName)
	}
	if _, twice := w.seen[h.Name]; twice {
		return fmt.Errorf("%s: %w", h.Name, ErrOrder)
	}
	if i := strings.LastIndexByte(h.Name, '/'); i >= 0 && !w.seen[h.Name[:i]] {
		return fmt.Errorf("%s: %w", h.Name, ErrOrder)
	}
	if h.Size < 0 || h.Size > MaxSize {
		return fmt.Errorf("%s: size %d does not fit the format", h.Name, h.Size)
	}
	switch h.Type() {
	case TypeRegular:
	case TypeSymlink:
		if h.Size == 0 || h.Size > MaxName {
			return fmt.Errorf("%s: a link's target has 1 to %d bytes, not %d", h.Name, MaxName, h.Size)
		}
	case TypeDir, TypeChar, TypeBlock, TypeFifo, TypeSocket:
		if h.Size != 0 {
			return fmt.Errorf("%s: mode %o has no content, yet size is %d", h.Name, h.Mode, h.Size)
		}
	default:
		return fmt.Errorf("%s: unknown type of file in mode %o", h.Name, h.Mode)
	}
	return nil
}

// header appends the fixed part, the name and the padding.
func (w *Writer) header(h *Header, ino, links uint32) {
	w.room(headerSize + len(h.Name) + 4)
	b := append(w.buf, "070701"...)
	for _, v := range [...]uint32{
		ino, h.Mode, h.UID, h.GID, links, h.ModTime, uint32(h.Size),
		0, 0, h.Major, h.Minor, uint32(len(h.Name) + 1), 0,
	} {
		b = appendHex(b, v)
	}
	b = append(b, h.Name...)
	b = append(b, 0)
	w.off += int64(len(b) - len(w.buf))
	w.buf = b
	w.pad(4)
}

// Write writes content of the current entry.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(p)) > w.left {
		return 0, fmt.Errorf("%s: more content than its header says", w.name)
	}
	if len(p) > cap(w.buf) {
		w.flush()
		w.direct(p)
	} else {
		w.room(len(p))
		w.buf = append(w.buf, p...)
	}
	if w.err != nil {
		return 0, w.err
	}
	w.off += int64(len(p))
	w.left -= int64(len(p))
	return len(p), nil
}

// ReadFrom copies the whole content of the current entry from r. When both ends are files the
// system copies, and shares the blocks where the file system can.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.flush(); w.err != nil {
		return 0, w.err
	}
	want := w.left
	n, err := io.CopyBuffer(w.w, io.LimitReader(r, want), w.buf[:cap(w.buf)])
	w.off += n
	w.left -= n
	if err == nil && n < want {
		err = fmt.Errorf("%s: %w after %d of %d bytes", w.name, io.ErrUnexpectedEOF, n, want)
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

// Close ends the member with its trailer and pads it to MemberAlign. It does not close the stream.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.finish(); err != nil {
		return err
	}
	w.header(&Header{Name: trailerName}, 0, 1)
	w.pad(MemberAlign)
	w.flush()
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

var errClosed = errors.New("the archive member is closed")

// finish ends the current entry.
func (w *Writer) finish() error {
	if w.left > 0 {
		w.err = fmt.Errorf("%s: %d bytes of content are missing", w.name, w.left)
		return w.err
	}
	w.pad(4)
	return w.err
}

// pad appends zero bytes up to a multiple of n, at most MemberAlign.
func (w *Writer) pad(n int64) {
	if rest := int(w.off % n); rest != 0 {
		k := int(n) - rest
		w.room(k)
		w.buf = append(w.buf, zeros[:k]...)
		w.off += int64(k)
	}
}

var zeros [MemberAlign]byte

// room flushes the buffer if fewer than n bytes are free in it.
func (w *Writer) room(n int) {
	if cap(w.buf)-len(w.buf) < n {
		w.flush()
	}
}

func (w *Writer) flush() {
	w.direct(w.buf)
	w.buf = w.buf[:0]
}

func (w *Writer) direct(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if n, err := w.w.Write(p); err != nil {
		w.err = err
	} else if n < len(p) {
		w.err = io.ErrShortWrite
	}
}

// appendHex appends v as eight digits.
func appendHex(b []byte, v uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}

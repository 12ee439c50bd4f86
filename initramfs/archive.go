package initramfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// Compression of the compressed member of an image.
type Compression string

// The ways to compress. Xz makes smaller images than Zstd, and the kernel takes three times as long to unpack them.
const (
	Plain Compression = ""
	Gzip  Compression = "gzip"
	Xz    Compression = "xz"
	Zstd  Compression = "zstd"
)

// WriteOptions say how an image is written. The zero value and nil are an uncompressed archive of its own.
type WriteOptions struct {
	// Compression of the part that is not compressed already. Files that are (modules, firmware) go uncompressed
	// into a member before it, since compressing them again costs boot time and saves nothing.
	Compression Compression
	// ModTime of all entries, in seconds since 1970.
	ModTime uint32
	// Base is what comes before the image when it is unpacked.
	Base *Base
	// Progress, if not nil, is called as entries are written, with how many of all are done.
	Progress func(done, all int)
}

// Write writes entries as a cpio archive in the format that the kernel unpacks. The bytes depend on nothing but
// the arguments: entries are sorted, parents that are missing are added, owners are 0. What several calls write one
// after the other is an image as well: for microcode or ACPI tables, let the first call write them and nothing else,
// without compression.
func Write(w io.Writer, entries []Entry, o *WriteOptions) error {
	if o == nil {
		o = new(WriteOptions)
	}
	entries, err := arrange(entries, o.Base)
	if err != nil {
		return err
	}
	if o.Compression == Plain {
		return writeMember(w, entries, nil, o, 0, len(entries))
	}
	var first, second []Entry
	used := make(map[string]bool) // directories that the first member needs
	for _, e := range entries {
		if e.Mode.IsRegular() && moduledir.IsCompressed(e.Path) {
			for d := parent(e.Path); d != "" && !used[d]; d = parent(d) {
				used[d] = true
			}
		}
	}
	for _, e := range entries {
		if e.Mode.IsRegular() && moduledir.IsCompressed(e.Path) || used[e.Path] {
			first = append(first, e)
		} else {
			second = append(second, e)
		}
	}
	if len(first) > 0 {
		if err := writeMember(w, first, nil, o, 0, len(entries)); err != nil {
			return err
		}
	}
	z, err := compressor(w, o.Compression)
	if err != nil {
		return err
	}
	if err := writeMember(z, second, used, o, len(first), len(entries)); err != nil {
		z.Close()
		return err
	}
	return z.Close()
}

// parent returns the directory of a path, "" at the top.
func parent(name string) string { return name[:max(0, strings.LastIndexByte(name, '/'))] }

// writeMember writes one member of an archive, when the directories in there are there already. done of all entries
// have been written before.
func writeMember(
	w io.Writer, entries []Entry, there map[string]bool, o *WriteOptions, done, all int,
) error {
	c := cpio.NewWriter(w)
	for d := range there {
		c.Assume(d)
	}
	if o.Base != nil {
		for d := range o.Base.dirs {
			c.Assume(d)
		}
	}
	for i := range entries {
		if err := writeEntry(c, &entries[i], o.ModTime); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(min(done+i+1, all), all)
		}
	}
	return c.Close()
}

func writeEntry(c *cpio.Writer, e *Entry, modTime uint32) error {
	mode, err := cpioMode(e.Mode)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	h := cpio.Header{Name: e.Path, Mode: mode, ModTime: modTime, Size: e.Size, Major: e.Major, Minor: e.Minor}
	if e.Mode&fs.ModeSymlink != 0 {
		h.Size = int64(len(e.Target))
	}
	if err := c.WriteHeader(&h); err != nil {
		return err
	}
	switch {
	case e.Mode&fs.ModeSymlink != 0:
		_, err = io.WriteString(c, e.Target)
		return err
	case h.Size == 0:
		return nil
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = c.ReadFrom(r)
	return err
}

// modeBits are the bits of a mode that Go keeps elsewhere.
var modeBits = [...]struct {
	mode fs.FileMode
	bit  uint32
}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}}

// cpioMode is the mode as the kernel spells it.
func cpioMode(m fs.FileMode) (uint32, error) {
	bits := uint32(m.Perm())
	for _, b := range modeBits {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	switch m.Type() {
	case 0:
		return bits | cpio.TypeRegular, nil
	case fs.ModeDir:
		return bits | cpio.TypeDir, nil
	case fs.ModeSymlink:
		return bits | cpio.TypeSymlink, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		return bits | cpio.TypeChar, nil
	case fs.ModeDevice:
		return bits | cpio.TypeBlock, nil
	case fs.ModeNamedPipe:
		return bits | cpio.TypeFifo, nil
	}
	return 0, errors.New("an image cannot hold this type of file")
}

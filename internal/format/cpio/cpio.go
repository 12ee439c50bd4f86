// Package cpio writes and reads archives in the "newc" format, the one the kernel unpacks at boot.
//
// An archive is a row of members, each a row of entries that ends with a trailer. A Writer makes
// one member; for the next one make a new Writer on the same stream, because Close leaves the
// stream at an offset that suits every reader, the kernel's included.
//
// The format is described in the kernel's documentation (early-userspace/buffer-format): a header of
// 110 ASCII bytes whose numbers are eight hexadecimal digits each, the name with a NUL, zero bytes up
// to a multiple of four, the content, zero bytes up to a multiple of four.
package cpio

import (
	"errors"
	"fmt"
	"strings"
)

// File types and the mask for them, as in the mode of an inode.
const (
	TypeMask    = 0o170000
	TypeRegular = 0o100000
	TypeDir     = 0o040000
	TypeSymlink = 0o120000
	TypeChar    = 0o020000
	TypeBlock   = 0o060000
	TypeFifo    = 0o010000
	TypeSocket  = 0o140000
)

const (
	headerSize  = 110
	trailerName = "TRAILER!!!"

	// MaxName is the longest name in bytes. The kernel passes over entries whose name with its
	// NUL is longer than PATH_MAX.
	MaxName = 4095
	// MaxSize is the largest content, which has 32 bits in the header.
	MaxSize = 1<<32 - 1
	// MemberAlign is the multiple at which Close leaves the stream. The kernel asks for 4; 512
	// keeps block-minded readers happy.
	MemberAlign = 512
)

// Header describes one entry.
type Header struct {
	Name     string // path without a leading slash; bytes, not necessarily UTF-8
	Mode     uint32 // type (TypeDir, …) and permissions
	UID, GID uint32
	ModTime  uint32 // seconds since 1970
	Size     int64  // bytes of content; of a symbolic link: of its target
	Major    uint32 // of a device node
	Minor    uint32 // of a device node

	// The following are set by Reader and chosen by Writer itself.

	Ino      uint32 // number of the inode
	Links    uint32 // 2 or more: entries with the same inode are one file
	DevMajor uint32 // device the inode was on
	DevMinor uint32 // device the inode was on
	Offset   int64  // where the header begins, in bytes from the start of the stream
}

// Type returns the type bits of the mode.
func (h *Header) Type() uint32 { return h.Mode & TypeMask }

// FormatError says what is wrong with an archive and where.
type FormatError struct {
	Off  int64  // offset in bytes from the start of the (uncompressed) stream
	What string // what was found there
}

func (e *FormatError) Error() string { return fmt.Sprintf("offset %d: %s", e.Off, e.What) }

// ErrName is the Writer's error for a name that must not be in an archive: absolute, with empty, "."
// or ".." elements, with a NUL, too long, or equal to the trailer's.
var ErrName = errors.New("name is not fit for an archive")

// ErrOrder is the Writer's error for an entry that comes twice or before its parent directory, which
// the kernel would drop without a word.
var ErrOrder = errors.New("entry comes twice or before its parent directory")

// ValidName reports whether name can be the name of an entry.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxName || name == trailerName || strings.IndexByte(name, 0) >= 0 {
		return false
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || elem == "." || elem == ".." {
			return false
		}
	}
	return true
}

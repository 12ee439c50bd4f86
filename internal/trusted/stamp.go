package trusted

import (
	"io/fs"
	"time"
)

// Stamp is by what a file is known to be the same as before, on the file system that it was seen on.
type Stamp struct {
	// Size is in bytes, MTime and CTime in nanoseconds.
	Size, MTime, CTime int64
	// Inode and Device are numbers.
	Inode, Device uint64
}

// Whole reports whether a file is known by all that there is.
func (s Stamp) Whole() bool { return s.Inode != 0 && s.CTime != 0 }

// Settled reports whether the last change of a file is so long before a time that it was the last: clocks tick in
// steps, and a file can be changed twice in one.
func (s Stamp) Settled(at time.Time) bool {
	quiet := at.Add(-2 * time.Second).UnixNano()
	return s.MTime <= quiet && s.CTime <= quiet
}

// StampOf returns the stamp of a file; the zero Stamp if the file system does not tell all of it.
func StampOf(info fs.FileInfo) Stamp { return stampOf(info) }

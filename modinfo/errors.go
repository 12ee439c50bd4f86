package modinfo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

var (
	// ErrFormat reports a file that is not a sound module, or not compressed
	// soundly.
	ErrFormat = errors.New("not a sound kernel module")

	// ErrNoInfo reports a sound object file without the section .modinfo:
	// something else than a module.
	ErrNoInfo = errors.New("no module information")

	// ErrTooLarge reports a file that is, or expands to, more than MaxSize.
	ErrTooLarge = compress.ErrTooLarge
)

var errNoFile = errors.New("module has no file")

// A FormatError is a defect of a module file. It is [ErrFormat].
type FormatError struct {
	Path string // the file, if it has a name
	Off  int64  // offset of the defect, in the compressed file if that is defective
	What string // what is wrong
	Err  error  // the error of the parser
}

// Error returns the path, the defect and the offset.
func (e *FormatError) Error() string {
	text := fmt.Sprintf("%s at offset %#x", e.What, e.Off)
	if e.Path != "" {
		return e.Path + ": " + text
	}
	return text
}

// Is reports whether target is [ErrFormat].
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// Unwrap returns e.Err.
func (e *FormatError) Unwrap() error { return e.Err }

// wrap turns an error of a parser into one of this package that names the
// file.
func wrap(path string, err error) error {
	if err == nil {
		return nil
	}
	var format *elf.FormatError
	var comp *compress.Error
	switch {
	case errors.As(err, &format):
		return &FormatError{path, format.Off, format.What, err}
	case errors.As(err, &comp) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, errors.ErrUnsupported):
		return &FormatError{path, comp.Off, fmt.Sprintf("%s: %v", comp.Format, comp.Err), err}
	case errors.Is(err, elf.ErrNoSection):
		err = ErrNoInfo
	}
	var pe *fs.PathError
	if path == "" || errors.As(err, &pe) {
		return err
	}
	return &fs.PathError{Op: "read", Path: path, Err: err}
}

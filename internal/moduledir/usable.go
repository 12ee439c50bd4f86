package moduledir

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// Why a table is not usable; a damaged binary one is an *index.FormatError.
var (
	// ErrMissing reports that there is no such file. It is fs.ErrNotExist as well.
	ErrMissing error = missing{}
	// ErrEmpty reports that the file has 0 bytes. Tables of depmod have a header at least; a crash leaves such
	// files.
	ErrEmpty = errors.New("empty (0 bytes)")
	// ErrCut reports that the last line of a text has no end.
	ErrCut = errors.New("cut off in its last line")
)

// missing is the type of ErrMissing.
type missing struct{}

func (missing) Error() string        { return "missing" }
func (missing) Is(target error) bool { return target == fs.ErrNotExist }

// MaxTable is the size in bytes up to which a table is read.
const MaxTable = 256 << 20

// OpenIndex opens a binary table, a name in fsys, if it is usable.
func OpenIndex(fsys fs.FS, name string) (*index.Index, error) {
	x, err := index.Open(fsys, name)
	if err == nil {
		if err = x.CheckEnd(); err == nil {
			return x, nil
		}
		x.Close()
		return nil, damaged(err)
	}
	var format *index.FormatError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrMissing
	case errors.As(err, &format) && format.Off == 0 && format.Want == 0:
		return nil, ErrEmpty
	case format != nil:
		return nil, damaged(format)
	}
	return nil, cause(err)
}

// damaged wraps the reason why a table is damaged.
func damaged(err error) error { return fmt.Errorf("damaged: %w", err) }

// ReadText reads a text table, a name in fsys, if it is usable.
func ReadText(fsys fs.FS, name string) ([]byte, error) {
	data, err := read(fsys, name)
	if err == nil {
		err = Usable(name, data)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Usable says whether a table of that name with that content is usable; an error says why it is not.
func Usable(name string, data []byte) error {
	base := path.Base(name)
	builtin := strings.HasPrefix(base, "modules.builtin")
	switch {
	case builtin && len(data) == 0:
		return nil // other depmods write such a file for a kernel without a list of builtin modules
	case len(data) == 0 && base == "modules.devname":
		return nil // no module has a device node
	case len(data) == 0:
		return ErrEmpty
	case strings.HasSuffix(base, ".bin"):
		x, err := index.Parse(data)
		if err == nil {
			err = x.CheckEnd()
		}
		if err != nil {
			return damaged(err)
		}
	case !builtin && data[len(data)-1] != '\n':
		return ErrCut
	}
	return nil
}

// read reads a whole file.
func read(fsys fs.FS, name string) ([]byte, error) {
	data, err := trusted.ReadFile(fsys, name, MaxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	return data, cause(err)
}

// cause returns the cause of a *fs.PathError, without the name of the file.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

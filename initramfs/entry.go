package initramfs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
)

// An Entry is one file, directory, link or device node of an image.
type Entry struct {
	// Path has no leading slash and no "." or ".." elements. It is a row of bytes, not necessarily UTF-8.
	Path string
	// Mode is the type and the permissions. Owner and group are always 0.
	Mode fs.FileMode
	// Size of a regular file's content in bytes.
	Size int64
	// Target of a symbolic link.
	Target string
	// Major and Minor number of a device node.
	Major, Minor uint32
	// Open opens the content of a regular file; nil if it is empty. It must give exactly Size bytes.
	Open func() (io.ReadCloser, error)
}

// Dir returns a directory with permissions 0755.
func Dir(name string) Entry { return Entry{Path: name, Mode: fs.ModeDir | 0o755} }

// Link returns a symbolic link.
func Link(name, target string) Entry {
	return Entry{Path: name, Mode: fs.ModeSymlink | 0o777, Target: target}
}

// Content returns a regular file with this content, which must not change until the image is written.
func Content(name string, perm fs.FileMode, data []byte) Entry {
	return Entry{Path: name, Mode: perm.Perm(), Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// Copy returns a regular file with the content of the file named from in fsys, which is opened only when the
// image is written.
func Copy(name string, perm fs.FileMode, fsys fs.FS, from string) (Entry, error) {
	info, err := fs.Stat(fsys, from)
	if err != nil {
		return Entry{}, err
	}
	if !info.Mode().IsRegular() {
		return Entry{}, &fs.PathError{Op: "copy", Path: from, Err: errNotRegular}
	}
	return Entry{Path: name, Mode: perm.Perm(), Size: info.Size(), Open: func() (io.ReadCloser, error) {
		return fsys.Open(from)
	}}, nil
}

var errNotRegular = errors.New("not a regular file")

// DeviceNodes returns the nodes without which an image does not work: the console for /init and, because
// programs that the kernel starts come without standard streams and the Go runtime then opens it, /dev/null.
func DeviceNodes() []Entry {
	return []Entry{
		{Path: "dev/console", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, Major: 5, Minor: 1},
		{Path: "dev/null", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3},
	}
}

// ConflictError is two entries for one path that differ.
type ConflictError struct {
	// Path is the path in the image.
	Path string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: two different entries for one path of the image", e.Path)
}

// arrange sorts entries so that parents come before children, adds the parents that are missing, and drops
// directories that come twice. Of links in there, and of base, every path above an entry is followed first, so
// that no directory takes the place of a link.
func arrange(entries []Entry, base *Base) ([]Entry, error) {
	links := make(map[string]string)
	for _, e := range entries {
		if e.Mode&fs.ModeSymlink != 0 {
			links[e.Path] = e.Target
		}
	}
	have := make(map[string]int, 2*len(entries))
	out := make([]Entry, 0, len(entries)+16)
	add := func(e Entry) error {
		i, twice := have[e.Path]
		if !twice {
			have[e.Path] = len(out)
			out = append(out, e)
			return nil
		}
		if o := &out[i]; o.Mode.IsDir() && e.Mode.IsDir() {
			return nil
		} else if o.Mode == e.Mode && o.Target == e.Target && o.Size == e.Size && o.Size == 0 {
			return nil
		}
		return &ConflictError{e.Path}
	}
	for _, e := range entries {
		dir, err := base.follow(links, path.Dir(e.Path))
		if err != nil {
			return nil, err
		}
		e.Path = path.Join(dir, path.Base(e.Path))
		if e.Mode.IsDir() {
			if e.Path, err = base.follow(links, e.Path); err != nil {
				return nil, err
			}
		}
		if base.has(e.Path) && e.Mode.IsDir() {
			continue
		}
		for d := path.Dir(e.Path); d != "." && !base.has(d); d = path.Dir(d) {
			if i, ok := have[d]; ok && out[i].Mode.IsDir() {
				break
			}
			if err := add(Dir(d)); err != nil {
				return nil, err
			}
		}
		if err := add(e); err != nil {
			return nil, err
		}
	}
	// Byte by byte with the slash smallest: a directory's content follows it at once.
	sort.Slice(out, func(i, j int) bool { return comparePaths(out[i].Path, out[j].Path) < 0 })
	return out, nil
}

// comparePaths orders paths so that each directory is followed by all that is in it.
func comparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

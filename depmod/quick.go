package depmod

import (
	"bytes"
	"context"
	"io/fs"
	"path"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// Outdated reports whether the modules have changed since modules.dep was written: whether one of the files is newer,
// or one that modules.dep lists is gone. It reads no module, and neither looks at the configuration nor at
// modules.order, so that a change there is not noticed. This is depmod -A.
//
// The error is that of reading modules.dep, or of the folder of the modules.
func Outdated(ctx context.Context, options *Options) (bool, error) {
	b := builder{ctx: ctx}
	if options != nil {
		b.Options = *options
	}
	b.defaults()
	b.config = moduledir.DefaultConfig()
	name := path.Join(b.dir, "modules.dep")
	info, err := fs.Stat(b.FS, name)
	if err != nil {
		return true, err
	}
	data, err := readSmall(b.FS, name)
	if err != nil {
		return true, err
	}
	listed := make(map[string]bool)
	for line := range bytes.Lines(data) {
		if file, _, ok := bytes.Cut(line, []byte{':'}); ok && !bytes.HasPrefix(file, []byte{'/'}) {
			listed[string(file)] = true
		}
	}
	since := info.ModTime().Truncate(time.Microsecond)
	newer := false
	err = b.search(func(m *module) {
		delete(listed, m.path)
		if newer {
			return
		}
		info, err := fs.Stat(b.FS, m.file)
		newer = err != nil || info.ModTime().Truncate(time.Microsecond).After(since)
	})
	return err != nil || newer || len(listed) > 0, err
}

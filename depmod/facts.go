package depmod

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/koelf"
)

// facts is what a module file says that matters here.
type facts struct {
	err      error // why it cannot be read or is not sound
	exports  []export
	needs    []need
	aliases  []string
	softdeps []string
	weakdeps []string
}

// export is a symbol that a module offers.
type export struct {
	name string
	crc  uint64
}

// need is a symbol that a module needs.
type need struct {
	name string
	crc  uint64 // 0 if it does not say
	weak bool   // it can do without
}

// readModules reads all modules, several at a time, and reports those that cannot be read.
func (b *builder) readModules() error {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(b.Workers, len(b.modules)) {
		wg.Go(func() {
			r := reader{fsys: b.FS, limit: b.MaxSize, names: make(map[string]string)}
			for b.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(b.modules) {
					return
				}
				m := b.modules[i]
				m.facts = r.read(m.file)
			}
		})
	}
	wg.Wait()
	for _, m := range b.modules {
		if m.facts.err != nil {
			b.report(Problem{Kind: Unreadable, Path: m.shown, Module: m.name, Err: m.facts.err})
		}
	}
	return b.ctx.Err()
}

// reader reads modules one after the other.
type reader struct {
	fsys  fs.FS
	limit int64
	image []byte            // the last module, expanded, for reuse
	names map[string]string // symbols seen, so that a name is kept once
}

// read returns the facts of the module of that name.
func (r *reader) read(name string) (out facts) {
	f, err := r.fsys.Open(name)
	if err != nil {
		out.err = err
		return out
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		out.err = err
		return out
	case info.IsDir():
		out.err = &fs.PathError{Op: "read", Path: name, Err: errIsDirectory}
		return out
	}
	if file, ok := f.(*os.File); ok {
		module, err := koelf.Open(file, info.Size())
		if err == nil {
			out.fill(r, module)
			return out
		}
		if !errors.Is(err, koelf.ErrNotELF) || !isCompressed(file) {
			out.err = err
			return out
		}
	}
	image, _, err := compress.ReadFile(r.fsys, name, r.image, r.limit)
	if err != nil {
		out.err = err
		return out
	}
	r.image = image
	module, err := koelf.Parse(image)
	if err != nil {
		out.err = err
		return out
	}
	out.fill(r, module)
	return out
}

// isCompressed reports whether a file begins as a compressed one does.
func isCompressed(f io.ReaderAt) bool {
	var head [6]byte
	n, _ := f.ReadAt(head[:], 0)
	return compress.Detect(head[:n]) != compress.None
}

// fill takes the facts from a module. Nothing in them shares memory with the module, whose buffer is used again.
func (f *facts) fill(r *reader, module *koelf.File) {
	exports, err := module.Exports()
	if err != nil && !errors.Is(err, koelf.ErrNoSection) {
		f.err = err
	}
	for _, e := range exports {
		f.exports = append(f.exports, export{r.keep(e.Name), e.CRC})
	}
	imports, err := module.Imports()
	if err != nil && f.err == nil {
		f.err = err
	}
	for _, im := range imports {
		f.needs = append(f.needs, need{r.keep(im.Name), im.CRC, im.Weak})
	}
	info, err := module.Modinfo()
	if err != nil && !errors.Is(err, koelf.ErrNoSection) && f.err == nil {
		f.err = err
	}
	for _, s := range info {
		key, value, _ := strings.Cut(s, "=")
		switch key {
		case "alias":
			f.aliases = append(f.aliases, strings.Clone(value))
		case "softdep":
			f.softdeps = append(f.softdeps, strings.Clone(value))
		case "weakdep":
			f.weakdeps = append(f.weakdeps, strings.Clone(value))
		}
	}
}

// keep returns the one copy of a name.
func (r *reader) keep(name string) string {
	if kept, ok := r.names[name]; ok {
		return kept
	}
	name = strings.Clone(name)
	r.names[name] = name
	return name
}

// errIsDirectory is EISDIR, which not every system has.
var errIsDirectory = errors.New("is a directory")

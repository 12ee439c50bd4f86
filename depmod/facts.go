package depmod

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// facts is what a module file says that matters here.
type facts struct {
	err      error // why it cannot be read or is not sound
	names    *names
	exports  []export
	needs    []need
	aliases  []string
	softdeps []string
	weakdeps []string
}

// export is a symbol that a module offers.
type export struct {
	crc  uint64
	name uint32 // in facts.names
}

// need is a symbol that a module needs.
type need struct {
	name uint32 // in facts.names, with weakNeed if the module can do without
	crc  uint32 // 0 if it does not say
}

// weakNeed in need.name is set if the module can do without the symbol.
const weakNeed = 1 << 31

func (n need) weak() bool     { return n.name&weakNeed != 0 }
func (n need) number() uint32 { return n.name &^ weakNeed }

// names are the names of symbols that one worker has met: modules refer to them by number, since most are needed by
// many.
type names struct {
	list    []string
	numbers map[string]uint32 // of the names
	known   []symbol          // what the names stand for; see builder.know
}

// number returns the number of a name.
func (n *names) number(name []byte) uint32 {
	if number, ok := n.numbers[string(name)]; ok {
		return number
	}
	if n.numbers == nil {
		n.numbers = make(map[string]uint32)
	}
	kept, number := string(name), uint32(len(n.list))
	n.list, n.numbers[kept] = append(n.list, kept), number
	return number
}

// readModules reads modules, several at a time.
func (b *builder) readModules(list []*module) {
	todo, large := b.largestFirst(b.fromCache(list))
	budget := new(compress.Budget)
	defer budget.Close()
	var wg sync.WaitGroup
	var next, done atomic.Int64
	next.Store(int64(large))
	for worker := range min(b.Workers, len(todo)) {
		wg.Go(func() {
			r := newReader(b, budget)
			read := func(m *module) {
				r.read(m)
				if n := done.Add(1); b.Progress != nil {
					b.Progress(int(n), len(todo))
				}
			}
			if worker == 0 {
				for i := 0; i < large && b.ctx.Err() == nil; i++ {
					read(todo[i])
				}
			}
			for b.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return
				}
				read(todo[i])
			}
		})
	}
	wg.Wait()
	if b.ctx.Err() == nil {
		b.toCache(list)
	}
}

// reportUnreadable reports the modules that could not be read.
func (b *builder) reportUnreadable() {
	for _, m := range b.modules {
		if m.facts.err != nil {
			b.report(Problem{Kind: Unreadable, Path: m.shown, Module: m.name, Err: m.facts.err})
		}
	}
}

// largeFile is the size in bytes from which one worker reads compressed modules, one after the other: two of them in
// memory at a time would make the peak. In the trees of distributions these are a handful, the drivers of graphics
// cards.
const largeFile = 1 << 20

// largestFirst puts compressed modules into an order in which each worker's buffer is made once, and large enough for
// what comes after. The first few are large. Of modules that are not compressed only small parts are read.
func (b *builder) largestFirst(list []*module) (sorted []*module, large int) {
	compressed := slices.ContainsFunc(list, func(m *module) bool { return moduledir.IsCompressed(m.path) })
	if !compressed {
		return list, 0
	}
	b.parallel(len(list), func(i int) { list[i].key, _ = b.files.key(list[i].file) })
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y *module) int { return cmp.Compare(y.key.size, x.key.size) })
	large = slices.IndexFunc(list, func(m *module) bool { return m.key.size < largeFile })
	if large < 0 {
		large = len(list)
	}
	return list, large
}

// reader reads modules one after the other, and is the elf.Linker of the one it reads.
type reader struct {
	files
	raw   rawFile // the file that is being read
	limit int64
	kept  int // size in bytes up to which image is kept for the next module
	names names
	crcs  bool      // whether anybody wants the checksums of needs
	image []byte    // the last module, expanded, for reuse
	arena elf.Arena // parts of the last module, if it was not compressed

	budget *compress.Budget // of all readers

	facts facts  // of the module that is being read, in memory that is used again for the next
	seen  []last // for each name, what the last module that needs it was
	count int32  // modules read
	next  int    // where in facts.needs to look first for the next version
}

// last is the last module, counted from 1, that needs a name, and where in its facts.needs the name is.
type last struct{ module, at int32 }

func newReader(b *builder, budget *compress.Budget) *reader {
	return &reader{files: b.files, limit: b.MaxSize, crcs: b.Symvers != nil, budget: budget,
		kept: maxKept / b.Workers}
}

// read finds out the facts of a module.
func (r *reader) read(m *module) {
	r.count, r.next = r.count+1, 0
	f := &r.facts
	f.exports, f.needs = f.exports[:0], f.needs[:0]
	f.aliases, f.softdeps, f.weakdeps = f.aliases[:0], f.softdeps[:0], f.weakdeps[:0]
	err := r.open(m)
	m.facts = &facts{
		err: err, names: &r.names,
		exports: slices.Clone(f.exports), needs: slices.Clone(f.needs),
		aliases: slices.Clone(f.aliases), softdeps: slices.Clone(f.softdeps),
		weakdeps: slices.Clone(f.weakdeps),
	}
}

// open opens the module and takes the facts from it.
func (r *reader) open(m *module) error {
	f, err := r.files.open(m.file, &r.raw)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "read", Path: m.file, Err: errIsDirectory}
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: m.file, Err: errNotRegular}
	}
	m.stamp(info)
	compressed := moduledir.IsCompressed(m.path)
	if file, ok := f.(io.ReaderAt); ok && !compressed {
		if err := r.parts(file, info.Size()); !errors.Is(err, elf.ErrNotELF) || !isCompressed(file) {
			return err
		}
	}
	image, share, err := r.budget.Read(f, r.image, r.limit)
	if err != nil {
		return err
	}
	defer share.Done()
	if !share.Large() {
		if r.image = image; cap(image) > r.kept {
			r.image = nil
		}
	}
	module, err := elf.Parse(image)
	if err != nil {
		return err
	}
	return r.take(module)
}

// parts takes the facts from a module that is not compressed, of which only parts are read.
func (r *reader) parts(file io.ReaderAt, size int64) error {
	if size > maxParts {
		defer r.budget.Wait().Done()
		defer func() { r.arena = elf.Arena{} }()
	}
	module, err := r.arena.Open(file, size)
	if err != nil {
		return err
	}
	return r.take(module)
}

// maxKept is the size in bytes that the buffers kept for the next modules may have together. The few larger modules
// come first, and their buffers are not held until the end.
const maxKept = 16 << 20

// maxParts is the size in bytes from which on one uncompressed module is read at a time: its symbols may fill most of
// it.
const maxParts = 32 << 20

// isCompressed reports whether a file begins as a compressed one does.
func isCompressed(f io.ReaderAt) bool {
	var head [6]byte
	n, _ := f.ReadAt(head[:], 0)
	return compress.Detect(head[:n]) != compress.None
}

// take takes the facts from a module. Nothing in them shares memory with the module, whose buffer is used again.
func (r *reader) take(module *elf.File) error {
	if err := module.Link(r); err != nil {
		// What the module exports and needs is only half known, and counts for nothing.
		r.facts.exports, r.facts.needs = r.facts.exports[:0], r.facts.needs[:0]
		r.takeInfo(module)
		return err
	}
	return r.takeInfo(module)
}

// takeInfo takes the aliases and so on.
func (r *reader) takeInfo(module *elf.File) error {
	f := &r.facts
	err := module.EachModinfo(func(s []byte) {
		key, value, _ := bytes.Cut(s, []byte{'='})
		switch string(key) {
		case "alias":
			f.aliases = append(f.aliases, string(value))
		case "softdep":
			f.softdeps = append(f.softdeps, string(value))
		case "weakdep":
			f.weakdeps = append(f.weakdeps, string(value))
		}
	})
	if errors.Is(err, elf.ErrNoSection) {
		return nil
	}
	return err
}

// Export implements elf.Linker.
func (r *reader) Export(name []byte, crc uint64) {
	r.facts.exports = append(r.facts.exports, export{crc, r.names.number(name)})
}

// Undefined implements elf.Linker.
func (r *reader) Undefined(name []byte, weak bool) {
	n := need{name: r.names.number(name)}
	if weak {
		n.name |= weakNeed
	}
	r.need(n)
}

// Version implements elf.Linker. A name that only the versions have is needed like the others.
func (r *reader) Version(name []byte, crc uint64) {
	at, ok := r.needed(name)
	if !ok {
		r.need(need{crc: uint32(crc), name: r.names.number(name)})
	} else if need := &r.facts.needs[at]; r.crcs && need.crc == 0 {
		// The first version of a name counts. A checksum of 0 cannot be told from none, and means the same.
		need.crc = uint32(crc)
	}
	r.next = at + 1
}

// needed returns where a name is in facts.needs. Versions are mostly in the order of the symbols.
func (r *reader) needed(name []byte) (at int, ok bool) {
	if needs := r.facts.needs; r.next < len(needs) && r.names.list[needs[r.next].number()] == string(name) {
		return r.last(needs[r.next].number())
	}
	return r.last(r.names.number(name))
}

// last returns where in facts.needs the name of number n is.
func (r *reader) last(n uint32) (at int, ok bool) {
	if int(n) >= len(r.seen) || r.seen[n].module != r.count {
		return len(r.facts.needs), false
	}
	return int(r.seen[n].at), true
}

// need adds to what the module needs.
func (r *reader) need(n need) {
	if int(n.number()) >= len(r.seen) {
		r.seen = append(r.seen, make([]last, len(r.names.list)-len(r.seen)+64)...)
	}
	if s := &r.seen[n.number()]; s.module != r.count {
		*s = last{r.count, int32(len(r.facts.needs))}
	}
	r.facts.needs = append(r.facts.needs, n)
}

// errIsDirectory is EISDIR, which not every system has.
var errIsDirectory = errors.New("is a directory")

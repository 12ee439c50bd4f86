package depmod

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/koelf"
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
	crc  uint32 // 0 if it does not say
	name uint32 // in facts.names
	weak bool   // it can do without
}

// names are the names of symbols that one worker has met: modules refer to them by number, since most are needed by many.
type names struct {
	list    []string
	numbers map[string]uint32
	known   []symbol // what the names stand for; see builder.lookup
}

// number returns the number of a name.
func (n *names) number(name []byte) uint32 {
	if i, ok := n.numbers[string(name)]; ok {
		return i
	}
	i := uint32(len(n.list))
	n.list = append(n.list, string(name))
	n.numbers[n.list[i]] = i
	return i
}

// forget forgets what the names stand for, which an earlier Build with the same cache may have found out.
func (n *names) forget() { n.known = nil }

// readModules reads all modules, several at a time, and reports those that cannot be read.
func (b *builder) readModules() error {
	todo := b.largestFirst(b.fromCache())
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(b.Workers, len(todo)) {
		wg.Go(func() {
			r := newReader(b)
			for b.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return
				}
				r.read(todo[i])
			}
		})
	}
	wg.Wait()
	if err := b.ctx.Err(); err != nil {
		return err
	}
	b.toCache()
	for _, m := range b.modules {
		if m.facts.err != nil {
			b.report(Problem{Kind: Unreadable, Path: m.shown, Module: m.name, Err: m.facts.err})
		}
	}
	return nil
}

// largestFirst puts compressed modules into an order in which each worker's buffer is made once, and large enough for what
// comes after. Of others only small parts are read.
func (b *builder) largestFirst(list []*module) []*module {
	sizes := make(map[*module]int64)
	var mu sync.Mutex
	b.parallel(len(list), func(i int) {
		if _, compressed := cutCompression(list[i].path); !compressed {
			return
		}
		if info, err := fs.Stat(b.FS, list[i].file); err == nil {
			mu.Lock()
			sizes[list[i]] = info.Size()
			mu.Unlock()
		}
	})
	if len(sizes) == 0 {
		return list
	}
	list = slices.Clone(list)
	sort.SliceStable(list, func(i, j int) bool { return sizes[list[i]] > sizes[list[j]] })
	return list
}

// reader reads modules one after the other, and is the koelf.Linker of the one it reads.
type reader struct {
	fsys  fs.FS
	limit int64
	names names
	crcs  bool        // whether anybody wants the checksums of needs
	image []byte      // the last module, expanded, for reuse
	arena koelf.Arena // parts of the last module, if it was not compressed

	facts *facts         // of the module that is being read
	seen  []int          // for each name, the last module that needs it
	first map[uint32]int // for each name that the module needs, where in facts.needs
	count int            // modules read
}

func newReader(b *builder) *reader {
	r := &reader{fsys: b.FS, limit: b.MaxSize, crcs: b.Symvers != nil}
	r.names.numbers = make(map[string]uint32)
	return r
}

// read finds out the facts of a module.
func (r *reader) read(m *module) {
	m.facts = facts{names: &r.names}
	r.facts = &m.facts
	r.count++
	m.facts.err = r.open(m)
}

// open opens the module and takes the facts from it.
func (r *reader) open(m *module) error {
	f, err := r.fsys.Open(m.file)
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
	m.stamp(info)
	if file, ok := f.(*os.File); ok {
		elf, err := r.arena.Open(file, info.Size())
		if err == nil {
			return r.take(elf)
		}
		if !errors.Is(err, koelf.ErrNotELF) || !isCompressed(file) {
			return err
		}
	}
	image, _, err := compress.ReadFile(r.fsys, m.file, r.image, r.limit)
	if err != nil {
		return err
	}
	if r.image = image; cap(image) > maxKept {
		r.image = nil
	}
	elf, err := koelf.Parse(image)
	if err != nil {
		return err
	}
	return r.take(elf)
}

// maxKept is the size in bytes up to which a buffer is kept for the next module. The few larger modules come first, and
// their buffers are not held until the end.
const maxKept = 4 << 20

// isCompressed reports whether a file begins as a compressed one does.
func isCompressed(f io.ReaderAt) bool {
	var head [6]byte
	n, _ := f.ReadAt(head[:], 0)
	return compress.Detect(head[:n]) != compress.None
}

// take takes the facts from a module. Nothing in them shares memory with the module, whose buffer is used again.
func (r *reader) take(elf *koelf.File) error {
	if r.crcs {
		r.first = make(map[uint32]int)
	}
	if err := elf.Link(r); err != nil {
		// What the module exports and needs is only half known, and counts for nothing.
		r.facts.exports, r.facts.needs = nil, nil
		r.takeInfo(elf)
		return err
	}
	return r.takeInfo(elf)
}

// takeInfo takes the aliases and so on.
func (r *reader) takeInfo(elf *koelf.File) error {
	info, err := elf.Modinfo()
	if err != nil && !errors.Is(err, koelf.ErrNoSection) {
		return err
	}
	for _, s := range info {
		key, value, _ := strings.Cut(s, "=")
		switch key {
		case "alias":
			r.facts.aliases = append(r.facts.aliases, strings.Clone(value))
		case "softdep":
			r.facts.softdeps = append(r.facts.softdeps, strings.Clone(value))
		case "weakdep":
			r.facts.weakdeps = append(r.facts.weakdeps, strings.Clone(value))
		}
	}
	return nil
}

// Export implements koelf.Linker.
func (r *reader) Export(name []byte, crc uint64) {
	r.facts.exports = append(r.facts.exports, export{crc, r.names.number(name)})
}

// Undefined implements koelf.Linker.
func (r *reader) Undefined(name []byte, weak bool) {
	r.need(need{name: r.names.number(name), weak: weak})
}

// Version implements koelf.Linker. A name that only the versions have is needed like the others.
func (r *reader) Version(name []byte, crc uint64) {
	n := r.names.number(name)
	if int(n) >= len(r.seen) || r.seen[n] != r.count {
		r.need(need{crc: uint32(crc), name: n})
	} else if r.crcs {
		// The first version of a name counts. A checksum of 0 cannot be told from none, and means the same.
		if at := &r.facts.needs[r.first[n]]; at.crc == 0 {
			at.crc = uint32(crc)
		}
	}
}

func (r *reader) need(n need) {
	if int(n.name) >= len(r.seen) {
		r.seen = append(r.seen, make([]int, len(r.names.list)-len(r.seen)+64)...)
	}
	if r.crcs && r.seen[n.name] != r.count {
		r.first[n.name] = len(r.facts.needs)
	}
	r.seen[n.name] = r.count
	r.facts.needs = append(r.facts.needs, n)
}

// errIsDirectory is EISDIR, which not every system has.
var errIsDirectory = errors.New("is a directory")

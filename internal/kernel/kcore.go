package kernel

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// errKcore says that the kernel's memory does not show its tables.
var errKcore = errors.New("the kernel's memory does not show its export tables")

// FromKcore reads what the running kernel exports, and how its loader was built, out of its memory: kallsyms
// (/proc/kallsyms, read by root) says where things are, kcore (/proc/kcore) holds them. The keys are no longer there:
// Image.Keys is nil.
func FromKcore(kallsyms io.Reader, kcore io.ReaderAt) (*Image, error) {
	bounds, err := kallsymsBounds(kallsyms)
	if err != nil {
		return nil, err
	}
	c, err := openCore(kcore)
	if err != nil {
		return nil, err
	}
	const source = "/proc/kcore"
	im := &Image{Way: source, Machine: c.machine, Class: 32}
	if c.wide {
		im.Class = 64
	}
	m := &memory{order: c.order}
	if start, end := bounds["__start_rodata"], bounds["__start___ksymtab"]; start != 0 && start < end {
		// Up to the tables there are the constants of the kernel's code.
		if words, err := c.read(start, end-start); err == nil {
			m.pieces = append(m.pieces, piece{start, words})
			im.Banner = banner(words)
			im.Release = bannerRelease(im.Banner)
			im.Vermagic = vermagic(words, im.Release)
			im.Features, im.Words = features(words, im.Banner, im.Release)
		}
	}
	var all []Symbol
	for _, e := range exportSections {
		from, to := bounds["__start___ksymtab"+e.suffix], bounds["__stop___ksymtab"+e.suffix]
		if from == 0 || to <= from {
			continue
		}
		crcs := bounds["__start___kcrctab"+e.suffix]
		if bounds["__stop___kcrctab"+e.suffix] <= crcs {
			crcs = 0 // a kernel without versions
		}
		symbols, err := c.exports(m, from, to, crcs)
		if err != nil {
			return nil, err
		}
		for i := range symbols {
			symbols[i].GPL = e.gpl
		}
		if flags := bounds["__start___kflagstab"]; flags != 0 && e.suffix == "" {
			b, err := c.read(flags, uint64(len(symbols)))
			if err != nil {
				return nil, err
			}
			for i := range symbols {
				symbols[i].GPL = b[i]&1 != 0
			}
		}
		all = append(all, symbols...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("/proc/kallsyms: %w (are you root?)", errKcore)
	}
	im.Exports = NewTable(source, all)
	return im, nil
}

// kallsymsBounds reads where the kernel's tables and constants are. The symbols of modules, which come last, it does
// not read.
func kallsymsBounds(kallsyms io.Reader) (map[string]uint64, error) {
	bounds := map[string]uint64{}
	lines := bufio.NewScanner(kallsyms)
	for lines.Scan() {
		line := lines.Bytes()
		if bytes.IndexByte(line, '\t') >= 0 {
			break
		}
		i := bytes.LastIndexByte(line, ' ') + 1
		if len(line)-i < 9 || line[i] != '_' || line[i+1] != '_' || line[i+2] != 's' {
			continue
		}
		name := string(line[i:])
		if name != "__start_rodata" && !strings.HasPrefix(name, "__start___k") &&
			!strings.HasPrefix(name, "__stop___k") {
			continue
		}
		first, _, _ := strings.Cut(string(line), " ")
		if addr, err := strconv.ParseUint(first, 16, 64); err == nil && addr != 0 {
			bounds[name] = addr
		}
	}
	return bounds, lines.Err()
}

// A core is an ELF core file: pieces of memory and where they are in the file.
type core struct {
	r        io.ReaderAt
	order    binary.ByteOrder
	wide     bool
	machine  uint16
	segments []segment
}

type segment struct{ addr, off, size uint64 }

func openCore(r io.ReaderAt) (*core, error) {
	head := make([]byte, 64)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("/proc/kcore: %w", err)
	}
	if string(head[:4]) != "\x7fELF" {
		return nil, fmt.Errorf("/proc/kcore: %w", errKcore)
	}
	c := &core{r: r, order: binary.LittleEndian, wide: head[4] == 2}
	if head[5] == 2 {
		c.order = binary.BigEndian
	}
	e := elf.View{B: head, Order: c.order, Wide: c.wide}
	c.machine = uint16(e.U16(18))
	phoff, phnum := e.Word(e.Pick(32, 28)), e.U16(e.Pick(56, 44))
	size := e.Pick(56, 32)
	table := make([]byte, int(phnum)*size)
	if _, err := r.ReadAt(table, int64(phoff)); err != nil {
		return nil, fmt.Errorf("/proc/kcore: %w", err)
	}
	for ; len(table) > 0; table = table[size:] {
		p := elf.View{B: table, Order: c.order, Wide: c.wide}
		c.segments = append(c.segments, segment{p.Word(p.Pick(16, 8)), p.Word(p.Pick(8, 4)),
			p.Word(p.Pick(32, 16))})
	}
	return c, nil
}

// coreLimit bounds one piece that is read; the tables of today's kernels have some hundred kB.
const coreLimit = 16 << 20

// read returns n bytes of memory.
func (c *core) read(addr, n uint64) ([]byte, error) {
	for _, s := range c.segments {
		if off := addr - s.addr; off < s.size && n <= s.size-off && n <= coreLimit {
			b := make([]byte, n)
			if _, err := c.r.ReadAt(b, int64(s.off+off)); err != nil {
				return nil, fmt.Errorf("/proc/kcore: %w", err)
			}
			return b, nil
		}
	}
	return nil, fmt.Errorf("/proc/kcore: %w: nothing at %#x", errKcore, addr)
}

// exports reads one table and the CRCs of its symbols.
func (c *core) exports(m *memory, from, to, crcs uint64) ([]Symbol, error) {
	table, err := c.read(from, to-from)
	if err != nil {
		return nil, err
	}
	for _, l := range layouts {
		if !l.relative && (l.word == 8) != c.wide || len(table)%l.size() != 0 {
			continue
		}
		try := &memory{order: m.order, pieces: []piece{{from, table}}}
		low, high := ^uint64(0), uint64(0)
		for at := from; at < to; at += uint64(l.size()) {
			for i := 1; i < l.fields; i++ {
				if p, ok := try.field(l, at, i); ok && p != 0 {
					low, high = min(low, p), max(high, p)
				}
			}
		}
		if low > high || high-low > coreLimit/2 {
			continue
		}
		names, err := c.read(low, high-low+maxName)
		if err != nil {
			continue
		}
		try.pieces = append(append(try.pieces, piece{low, names}), m.pieces...)
		symbols, ok := try.records(l, from, len(table)/l.size())
		if !ok {
			continue
		}
		if crcs != 0 {
			versions, err := c.read(crcs, uint64(4*len(symbols)))
			if err != nil || !try.anyVersions(symbols, versions, crcs, mayBeDistances(c.machine)) {
				return nil, errKcore
			}
		}
		return symbols, nil
	}
	return nil, errKcore
}

package depmod

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"time"
	"unsafe"
)

// Cache remembers what modules say, so that a later Build reads only files that are new or have changed. Its zero value
// is empty and ready to use. It belongs to one machine: a file counts as the same if its name, size, times of
// modification and of change, number and device are, which only means something on the file system they were seen on.
// On systems that do not tell all of these it stays empty. It is for one Build at a time.
type Cache struct {
	known map[string]cached // what was read from a file
	next  map[string]cached // what the last Build has used or read
	crcs  bool              // whether next has the checksums of needs

	read   int       // files the last Build had to read
	now    time.Time // when the last Build began
	settle time.Duration
}

// cached is one file.
type cached struct {
	key   key
	facts *facts // which nobody changes
}

// key is by what a file is known to be the same as before.
type key struct {
	size, mtime, ctime int64 // bytes; nanoseconds
	inode, device      uint64
}

// whole reports whether a file is known by all that there is.
func (k key) whole() bool { return k.inode != 0 && k.ctime != 0 }

// settle is how old the last change of a file must be for the cache to believe that it was the last: clocks tick in
// steps, and a file can be changed twice in one.
const settle = 2 * time.Second

// Read returns how many modules the last Build with this cache had to read.
func (c *Cache) Read() int { return c.read }

// stamp remembers by what the file of a module is known.
func (m *module) stamp(info fs.FileInfo) { m.key = keyOf(info) }

// fromCache takes the facts of modules that have not changed from the cache, and returns the others.
func (b *builder) fromCache(list []*module) []*module {
	c := b.Cache
	if c == nil {
		return list
	}
	c.now = time.Now()
	if c.settle == 0 {
		c.settle = settle
	}
	if b.Symvers != nil && !c.crcs {
		c.known = nil
	}
	c.crcs = b.Symvers != nil || c.crcs && len(c.known) > 0
	keys := make([]key, len(list))
	b.parallel(len(list), func(i int) {
		keys[i], _ = b.files.key(list[i].file)
	})
	var todo []*module
	c.next = make(map[string]cached, len(list))
	for i, m := range list {
		if old, ok := c.known[m.file]; ok && old.key == keys[i] && keys[i].whole() {
			m.facts = old.facts
			c.next[m.file] = old
			continue
		}
		todo = append(todo, m)
	}
	c.read = len(todo)
	return todo
}

// toCache puts what has been read into the cache, except what may change yet without it showing.
func (b *builder) toCache(list []*module) {
	c := b.Cache
	if c == nil {
		return
	}
	quiet := c.now.Add(-c.settle).UnixNano()
	for _, m := range list {
		if _, ok := c.next[m.file]; ok || m.facts.err != nil || !m.key.whole() || m.key.mtime > quiet ||
			m.key.ctime > quiet {
			continue
		}
		c.next[m.file] = cached{m.key, m.facts}
	}
	c.known = c.next
}

// cacheMagic begins the file of a cache. It changes with the format, and with anything that changes what is read from
// modules.
const cacheMagic = "gomodprobe facts 1\n"

// errCache is the error of ParseCache.
var errCache = errors.New("not a cache of depmod, or a damaged one")

// ParseCache reads what Bytes made. The data belongs to the Cache from then on and must not be changed. After an
// error one begins with an empty Cache.
func ParseCache(data []byte) (*Cache, error) {
	text, ok := unsealed(data, cacheMagic)
	if !ok {
		return nil, errCache
	}
	d := decoder{text: text}
	c := &Cache{crcs: d.uint() == 1}
	all := &names{list: d.strings()}
	files := d.count()
	const least = 11 // bytes that a file takes
	c.known = make(map[string]cached, min(files, len(d.text)/least))
	for range files {
		if d.bad {
			return nil, errCache
		}
		name := d.string()
		f := cached{facts: &facts{names: all}}
		f.key = key{int64(d.uint()), int64(d.uint()), int64(d.uint()), d.uint(), d.uint()}
		f.facts.exports = make([]export, d.count())
		for i := range f.facts.exports {
			f.facts.exports[i] = export{name: d.name(all), crc: d.uint()}
		}
		f.facts.needs = make([]need, d.count())
		for i := range f.facts.needs {
			n := d.uint()
			f.facts.needs[i].name = d.inRange(n>>1, all)
			if n&1 == 1 {
				f.facts.needs[i].name |= weakNeed
			}
			if c.crcs {
				f.facts.needs[i].crc = uint32(d.uint())
			}
		}
		f.facts.aliases, f.facts.softdeps, f.facts.weakdeps = d.strings(), d.strings(), d.strings()
		c.known[name] = f
	}
	if d.bad || d.text != "" {
		return nil, errCache
	}
	return c, nil
}

// decoder reads the parts of the file of a cache.
type decoder struct {
	text string
	bad  bool
}

// uint reads a number.
func (d *decoder) uint() (v uint64) {
	for shift := 0; shift < 64 && d.text != ""; shift += 7 {
		c := d.text[0]
		d.text = d.text[1:]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.bad = true
	return 0
}

// count reads the number of things that follow, each of at least one byte.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.text)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.count()
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}

func (d *decoder) strings() []string {
	list := make([]string, d.count())
	for i := range list {
		list[i] = d.string()
	}
	return list
}

// name reads the number of a name.
func (d *decoder) name(all *names) uint32 { return d.inRange(d.uint(), all) }

func (d *decoder) inRange(n uint64, all *names) uint32 {
	if n >= uint64(len(all.list)) {
		d.bad = true
		return 0
	}
	return uint32(n)
}

// Bytes returns the cache as the content of a file, for ParseCache.
func (c *Cache) Bytes() []byte {
	e := encoder{numbers: make(map[string]uint32), known: make(map[*names][]uint32)}
	for name, f := range c.known {
		e.file(name, &f, c.crcs)
	}
	out := []byte(cacheMagic)
	if c.crcs {
		out = append(out, 1)
	} else {
		out = append(out, 0)
	}
	out = binary.AppendUvarint(out, uint64(len(e.names)))
	for _, name := range e.names {
		out = appendString(out, name)
	}
	out = binary.AppendUvarint(out, uint64(len(c.known)))
	out = append(out, e.out...)
	return sealed(out)
}

// sealed appends the check sum.
func sealed(out []byte) []byte {
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}

// unsealed returns what is between the magic and the check sum, in the same memory; ok is false if either is wrong.
func unsealed(data []byte, magic string) (body string, ok bool) {
	n := len(data) - crc32.Size
	if n < len(magic) || string(data[:len(magic)]) != magic ||
		crc32.ChecksumIEEE(data[:n]) != binary.BigEndian.Uint32(data[n:]) {
		return "", false
	}
	return unsafe.String(unsafe.SliceData(data), n)[len(magic):], true
}

// encoder makes the part of the file that has the modules, and collects the names in it.
type encoder struct {
	out     []byte
	names   []string
	numbers map[string]uint32   // of the names, from 1
	known   map[*names][]uint32 // the same for the numbers that the modules of one worker have
}

func appendString(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// uint writes a number.
func (e *encoder) uint(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *encoder) strings(list []string) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		e.out = appendString(e.out, s)
	}
}

// number returns the number in the file of name i of n.
func (e *encoder) number(n *names, i uint32) uint64 {
	known := e.known[n]
	if known == nil {
		known = make([]uint32, len(n.list))
		e.known[n] = known
	}
	if known[i] == 0 {
		name := n.list[i]
		if e.numbers[name] == 0 {
			e.names = append(e.names, name)
			e.numbers[name] = uint32(len(e.names))
		}
		known[i] = e.numbers[name]
	}
	return uint64(known[i] - 1)
}

func (e *encoder) file(name string, f *cached, crcs bool) {
	e.out = appendString(e.out, name)
	for _, n := range [...]uint64{uint64(f.key.size), uint64(f.key.mtime), uint64(f.key.ctime), f.key.inode,
		f.key.device} {
		e.uint(n)
	}
	e.uint(uint64(len(f.facts.exports)))
	for _, x := range f.facts.exports {
		e.uint(e.number(f.facts.names, x.name))
		e.uint(x.crc)
	}
	e.uint(uint64(len(f.facts.needs)))
	for _, n := range f.facts.needs {
		v := e.number(f.facts.names, n.number()) << 1
		if n.weak() {
			v |= 1
		}
		e.uint(v)
		if crcs {
			e.uint(uint64(n.crc))
		}
	}
	e.strings(f.facts.aliases)
	e.strings(f.facts.softdeps)
	e.strings(f.facts.weakdeps)
}

package modprobe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// Facts keeps what modules say of themselves.
type Facts interface {
	// Get returns what was put under a key; nil if there is nothing.
	Get(key string) []byte
	// Put keeps something under a key. That it cannot be kept is no error.
	Put(key string, data []byte)
}

// factsMagic begins kept facts. It changes with the format, and with what is read from modules.
const factsMagic = "gomodprobe tree 1\n"

// keptFacts is what a tree has of Options.Facts.
type keptFacts struct {
	key   string
	begun time.Time           // when the tree was looked at
	seen  map[string]watched  // folders, and links that lead nowhere, by their names in the file system
	fresh atomic.Bool         // there is something that was not kept
	old   map[string]oldFacts // by the file's path
}

// watched is what a name was when it was looked at.
type watched struct {
	stamp trusted.Stamp
	gone  bool
}

// oldFacts are those of one file.
type oldFacts struct {
	stamp         trusted.Stamp
	info, exports []string
}

// restore finds the files of the tree and, of those that are the same as when facts were kept, takes these.
func (t *tree) restore(config *moduledir.Config) {
	p := t.p
	dir := moduledir.Dir{Path: p.dir, Name: p.dirName, Exists: true}
	if p.opts.Facts == nil {
		t.files = moduledir.Files(p.fsys, dir, config, func(string) {})
		return
	}
	k := &t.kept
	k.key, k.begun = fmt.Sprintf("%s %+v", p.dir, *config), p.now()
	if files, ok := k.decode(k.key, p.opts.Facts.Get(k.key)); ok {
		names := slices.Collect(maps.Keys(k.seen))
		var changed atomic.Bool
		parallel(len(names), func(i int) {
			if p.watch(names[i]) != k.seen[names[i]] {
				changed.Store(true)
			}
		})
		if !changed.Load() {
			t.files = files
		}
	}
	if t.files == nil {
		k.fresh.Store(true)
		k.seen = make(map[string]watched)
		t.files = moduledir.Files(p.fsys, dir, config, func(name string) { k.seen[name] = p.watch(name) })
	}
	t.takeOld()
}

// takeOld takes the facts of the files that are the same.
func (t *tree) takeOld() {
	names := slices.Collect(maps.Keys(t.files))
	same := make([]bool, len(names))
	parallel(len(names), func(i int) {
		path := t.files[names[i]]
		old, ok := t.kept.old[path]
		if file, err := t.p.fileName(path); ok && err == nil {
			same[i] = old.stamp.Whole() && t.p.stamp(file) == old.stamp
		}
	})
	for i, name := range names {
		if same[i] {
			old := t.kept.old[t.files[name]]
			f := &treeFacts{info: old.info, exports: old.exports, stamp: old.stamp}
			f.once.Do(func() {})
			t.known[name] = f
		}
	}
	t.kept.old = nil
}

// keep keeps the facts of all modules for the next Prober, unless they are those that were kept. What may change yet
// without it showing is not kept, nor what could not be read.
func (t *tree) keep() {
	k := &t.kept
	if t.p.opts.Facts == nil || !k.fresh.Load() {
		return
	}
	for _, w := range k.seen {
		if !w.gone && !(w.stamp.Whole() && w.stamp.Settled(k.begun)) {
			return
		}
	}
	t.p.opts.Facts.Put(k.key, t.encode())
}

// keeps reports whether the facts of a file can be kept.
func (t *tree) keeps(f *treeFacts) bool {
	return !f.failed && f.stamp.Whole() && f.stamp.Settled(t.kept.begun)
}

// watch says what a name is.
func (p *Prober) watch(name string) watched {
	info, err := fs.Stat(p.fsys, name)
	if err != nil {
		return watched{gone: true}
	}
	return watched{stamp: trusted.StampOf(info)}
}

// stamp returns the stamp of a file.
func (p *Prober) stamp(name string) trusted.Stamp { return p.watch(name).stamp }

// parallel calls do for 0 to n-1, several at a time.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// encode writes the facts down: the key, the folders, the files with what they say, and a check sum.
func (t *tree) encode() []byte {
	out := appendText([]byte(factsMagic), t.kept.key)
	out = binary.AppendUvarint(out, uint64(len(t.kept.seen)))
	for _, name := range slices.Sorted(maps.Keys(t.kept.seen)) {
		out = appendStamp(appendText(out, name), t.kept.seen[name].stamp)
	}
	out = binary.AppendUvarint(out, uint64(len(t.files)))
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		f := t.facts(name)
		stamp := f.stamp
		if !t.keeps(f) {
			stamp = trusted.Stamp{} // it is read again
		}
		out = appendStamp(appendText(out, t.files[name]), stamp)
		var info []string
		for _, text := range f.info {
			if strings.HasPrefix(text, "alias=") || strings.HasPrefix(text, "depends=") || strings.HasPrefix(text, "softdep=") {
				info = append(info, text)
			}
		}
		out = appendTexts(appendTexts(out, info), f.exports)
	}
	return sealFacts(out)
}

// sealFacts adds the check sum.
func sealFacts(out []byte) []byte { return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out)) }

func appendText(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

func appendTexts(out []byte, list []string) []byte {
	out = binary.AppendUvarint(out, uint64(len(list)))
	for _, s := range list {
		out = appendText(out, s)
	}
	return out
}

func appendStamp(out []byte, s trusted.Stamp) []byte {
	for _, n := range []uint64{uint64(s.Size), uint64(s.MTime), uint64(s.CTime), s.Inode, s.Device} {
		out = binary.AppendUvarint(out, n)
	}
	return out
}

// decode reads what encode wrote under the same key; ok is false if it is anything else.
func (k *keptFacts) decode(key string, data []byte) (files map[string]string, ok bool) {
	n := len(data) - crc32.Size
	if n < len(factsMagic) || string(data[:len(factsMagic)]) != factsMagic ||
		crc32.ChecksumIEEE(data[:n]) != binary.BigEndian.Uint32(data[n:]) {
		return nil, false
	}
	d := factsDecoder{text: string(data[len(factsMagic):n])}
	if d.string() != key {
		return nil, false
	}
	k.seen = make(map[string]watched)
	for range d.count() {
		name, stamp := d.string(), d.stamp()
		k.seen[name] = watched{stamp: stamp, gone: !stamp.Whole()}
	}
	count := d.count()
	files, k.old = make(map[string]string, count), make(map[string]oldFacts, count)
	for range count {
		path := d.string()
		files[alias.FromPath(path)] = path
		k.old[path] = oldFacts{stamp: d.stamp(), info: d.strings(), exports: d.strings()}
	}
	if d.err != nil || d.text != "" {
		k.seen, k.old = nil, nil
		return nil, false
	}
	return files, true
}

// factsDecoder reads kept facts. The strings that it returns are parts of text.
type factsDecoder struct {
	text string
	err  error
}

var errFacts = errors.New("not kept facts")

func (d *factsDecoder) uint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		if d.text == "" {
			break
		}
		b := d.text[0]
		d.text = d.text[1:]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	d.err, d.text = errFacts, ""
	return 0
}

// count returns how many items follow, of a byte at least each.
func (d *factsDecoder) count() int {
	n := d.uint()
	if n > uint64(len(d.text)) {
		d.err, d.text = errFacts, ""
		return 0
	}
	return int(n)
}

func (d *factsDecoder) string() string {
	n := d.count()
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}

func (d *factsDecoder) strings() (list []string) {
	n := d.count()
	if n == 0 {
		return nil
	}
	list = make([]string, n)
	for i := range list {
		list[i] = d.string()
	}
	return list
}

func (d *factsDecoder) stamp() trusted.Stamp {
	return trusted.Stamp{Size: int64(d.uint()), MTime: int64(d.uint()), CTime: int64(d.uint()), Inode: d.uint(), Device: d.uint()}
}

package modprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// factsMagic begins kept facts. It changes with the format, and with what is read from modules.
const factsMagic = "gomodprobe tree 2\n"

// keptFacts are the facts of a tree as they are kept: a head, a record for each module, in the order of their names,
// and tables of the aliases and the symbols as depmod makes them. A look-up decodes what it asks for.
type keptFacts struct {
	checked time.Time // when all files were looked at
	seen    []watched
	unread  []string // modules whose facts are not kept

	places  []byte // of each record, its offset in records, in four bytes
	records []byte

	aliases, symbols *index.Index
}

// record is what is kept of one module. Its aliases and symbols are in the tables.
type record struct {
	name, path string
	stamp      trusted.Stamp
	info       []string
}

// placeSize is the size of an offset in keptFacts.places.
const placeSize = 4

// len returns the number of modules.
func (k *keptFacts) len() int { return len(k.places) / placeSize }

// at returns a record; false if it is damaged.
func (k *keptFacts) at(i int) (record, bool) {
	d := k.decoder(i)
	r := record{name: d.string(), path: d.string(), stamp: d.stamp(), info: d.strings()}
	return r, d.err == nil
}

// decoder returns a decoder of a record.
func (k *keptFacts) decoder(i int) *factsDecoder {
	off := binary.BigEndian.Uint32(k.places[placeSize*i:])
	if uint64(off) > uint64(len(k.records)) {
		return &factsDecoder{err: errFacts}
	}
	return &factsDecoder{text: k.records[off:]}
}

// find returns the record of a module.
func (k *keptFacts) find(module string) (record, bool) {
	low, high := 0, k.len()
	for low < high {
		middle := (low + high) / 2
		switch order := bytes.Compare(k.decoder(middle).bytes(), []byte(module)); {
		case order == 0:
			return k.at(middle)
		case order < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return record{}, false
}

// keptFacts returns what is to be kept of a tree whose modules were all read.
func (t *tree) keptFacts() *keptFacts {
	k := &keptFacts{checked: t.begun, seen: t.seen, aliases: t.aliases, symbols: t.symbols}
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		f := t.facts(name)
		r := record{name: name, path: t.files[name], stamp: f.stamp}
		if !t.keeps(f) {
			r.stamp, k.unread = trusted.Stamp{}, append(k.unread, name)
		}
		for _, text := range f.info {
			if strings.HasPrefix(text, "depends=") || strings.HasPrefix(text, "softdep=") {
				r.info = append(r.info, text)
			}
		}
		k.places = binary.BigEndian.AppendUint32(k.places, uint32(len(k.records)))
		k.records = appendStamp(appendText(appendText(k.records, r.name), r.path), r.stamp)
		k.records = appendTexts(k.records, r.info)
	}
	return k
}

// encode writes the facts down.
func (k *keptFacts) encode(key string) []byte {
	head := appendText(nil, key)
	head = binary.AppendUvarint(head, uint64(k.checked.UnixNano()))
	head = binary.AppendUvarint(head, uint64(len(k.seen)))
	for _, w := range k.seen {
		head = appendStamp(appendText(head, w.name), w.stamp)
	}
	head = appendTexts(head, k.unread)
	var parts []byte
	for _, part := range [][]byte{k.places, k.records, k.aliases.Data(), k.symbols.Data()} {
		head = binary.AppendUvarint(head, uint64(len(part)))
		parts = append(parts, part...)
	}
	return sealFacts(head, parts)
}

// sealFacts puts kept facts together. The head has a check sum; what is in the other parts is checked when it is used.
func sealFacts(head, parts []byte) []byte {
	out := appendText([]byte(factsMagic), string(head))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
	return append(out, parts...)
}

// decodeFacts reads the head of what encode wrote under the same key; nil if it is anything else.
func decodeFacts(key string, data []byte) *keptFacts {
	rest, ok := bytes.CutPrefix(data, []byte(factsMagic))
	file := factsDecoder{text: rest}
	d := factsDecoder{text: file.bytes()}
	sum := file.take(crc32.Size)
	if !ok || file.err != nil || crc32.ChecksumIEEE(d.text) != binary.BigEndian.Uint32(sum) || d.string() != key {
		return nil
	}
	k := &keptFacts{checked: time.Unix(0, int64(d.uint()))}
	for range d.count() {
		name, stamp := d.string(), d.stamp()
		k.seen = append(k.seen, watched{name, stamp, !stamp.Whole()})
	}
	k.unread = d.strings()
	k.places, k.records = file.take(d.uint()), file.take(d.uint())
	aliases, err1 := index.Parse(file.take(d.uint()))
	symbols, err2 := index.Parse(file.take(d.uint()))
	k.aliases, k.symbols = aliases, symbols
	if d.err != nil || len(d.text) > 0 || file.err != nil || len(file.text) > 0 || len(k.places)%placeSize != 0 ||
		errors.Join(err1, err2) != nil {
		return nil
	}
	return k
}

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

// factsDecoder reads kept facts.
type factsDecoder struct {
	text []byte
	err  error
}

var errFacts = errors.New("not kept facts")

func (d *factsDecoder) fail() { d.err, d.text = errFacts, nil }

func (d *factsDecoder) uint() uint64 {
	n, size := binary.Uvarint(d.text)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.text = d.text[size:]
	return n
}

// count returns how many items follow, of a byte at least each.
func (d *factsDecoder) count() int {
	n := d.uint()
	if n > uint64(len(d.text)) {
		d.fail()
		return 0
	}
	return int(n)
}

// take returns the next n bytes.
func (d *factsDecoder) take(n uint64) (part []byte) {
	if n > uint64(len(d.text)) {
		d.fail()
		return nil
	}
	part, d.text = d.text[:n], d.text[n:]
	return part
}

// bytes returns bytes that begin with their number.
func (d *factsDecoder) bytes() []byte { return d.take(d.uint()) }

func (d *factsDecoder) string() string { return string(d.bytes()) }

func (d *factsDecoder) strings() (list []string) {
	for range d.count() {
		list = append(list, d.string())
	}
	return list
}

func (d *factsDecoder) stamp() trusted.Stamp {
	s := trusted.Stamp{Size: int64(d.uint()), MTime: int64(d.uint()), CTime: int64(d.uint())}
	s.Inode, s.Device = d.uint(), d.uint()
	return s
}

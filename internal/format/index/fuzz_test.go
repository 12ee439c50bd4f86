package index_test

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/glob"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// slow says what Search should, from the dump of the table: which keys match, and in what order they are met.
func slow(x *index.Index, key string) (out []index.Value) {
	type hit struct {
		wild int // where the first wildcard of the key is, or its length: keys with early ones are met first
		rank int // of the wildcard
		key  string
		v    []index.Value
	}
	var hits []hit
	for k, v := range x.All() {
		wild := strings.IndexAny(k, "*?[")
		if wild >= 0 && (wild > len(key) || k[:wild] != key[:wild] || !glob.Match(k[wild:], key[wild:])) {
			continue
		}
		if wild < 0 && k != key {
			continue
		}
		if wild < 0 {
			wild = len(k) + 1
		}
		if n := len(hits); n > 0 && hits[n-1].key == k {
			hits[n-1].v = append(hits[n-1].v, v)
			continue
		}
		h := hit{wild: wild, key: k, v: []index.Value{v}}
		if wild < len(k) {
			h.rank = strings.IndexByte("*?[", k[wild])
		}
		hits = append(hits, h)
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		if a.wild != b.wild {
			return cmp.Compare(a.wild, b.wild)
		}
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		// What is below a node comes before the node.
		if strings.HasPrefix(a.key, b.key) && len(a.key) > len(b.key) {
			return -1
		}
		if strings.HasPrefix(b.key, a.key) && len(b.key) > len(a.key) {
			return 1
		}
		return strings.Compare(a.key, b.key)
	})
	for _, h := range hits {
		for _, v := range h.v {
			i, _ := slices.BinarySearchFunc(out, v.Priority, func(o index.Value, p uint32) int { return cmp.Compare(o.Priority, p) })
			out = slices.Insert(out, i, v)
		}
	}
	return out
}

// FuzzBuilder makes a table of random entries: it must be sound, contain all of them, be rebuilt from its dump byte by
// byte, and answer searches as the slow twin does.
func FuzzBuilder(f *testing.F) {
	fuzzseed.Add(f, "ab*\nabc\nabc\nx_[0-9]\n\n*\n?b\n*b*c", "abc")
	fuzzseed.Add(f, "usb:v*\nusb:v1*\nusb:v*d*\nusb:\\*\nusb:v?\n", "usb:v1d")
	f.Fuzz(func(t *testing.T, text, query string) {
		if strings.ContainsAny(query, "*?[\x00") || len(text) > 4096 || len(query) > 256 {
			return
		}
		b := index.NewBuilder()
		added := 0
		for i, key := range strings.Split(text, "\n") {
			if b.Add(key, string(rune('a'+i%3)), uint32(i/2%5)) == nil {
				added++
			}
		}
		data, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x := parse(t, data)
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		type kv struct {
			k string
			v index.Value
		}
		var all []kv
		for k, v := range x.All() {
			all = append(all, kv{k, v})
		}
		if len(all) != added {
			t.Errorf("%d entries, %d added", len(all), added)
		}
		again := index.NewBuilder()
		for _, e := range slices.Backward(all) {
			if err := again.Add(e.k, e.v.Value, e.v.Priority); err != nil {
				t.Fatal(err)
			}
		}
		if data2, err := again.Bytes(); err != nil || !bytes.Equal(data, data2) {
			t.Errorf("rebuilt from its dump the table differs (%v)", err)
		}
		if got, want := x.Search(nil, query), slow(x, query); !slices.Equal(got, want) {
			t.Errorf("Search(%q) = %v; the slow twin says %v\nkeys %q", query, got, want, text)
		}
	})
}

// FuzzParse reads random bytes: nothing may panic or go on for ever, and a table that Check finds sound gives every
// entry of its dump to Lookup.
func FuzzParse(f *testing.F) {
	fuzzseed.Add(f, build(f, triple{"ab*", "m1", 0}, triple{"abc", "m1", 0}, triple{"x_[0_9]", "m2", 1}), "abc")
	fuzzseed.Add(f, []byte("\xb0\x07\xf4\x57\x00\x02\x00\x01\x20\x00\x00\x0c**\x20\x00\x00\x0c"), "abc")
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		if len(key) > 256 {
			return
		}
		x, err := index.Parse(data)
		if err != nil {
			return
		}
		x.Search(nil, key)
		sound := x.Check() == nil
		last := ""
		for k, v := range x.All() {
			got, ok := x.Lookup(k)
			if sound && (!ok || k != last && got != v.Value) {
				t.Errorf("Lookup(%q) = %q, %t; the dump says %q", k, got, ok, v.Value)
			}
			last = k + "\x00"
			if last = k; len(k) > 4096 {
				return
			}
		}
	})
}

// FuzzMutated changes single bytes of a table such as depmod makes: whatever they are, a search ends, and finds nothing
// that is not in the file. What is found in a table that is still sound is what a walk through all of it finds.
func FuzzMutated(f *testing.F) {
	fuzzseed.Add(f, []byte("\x00\x0b\x55\x00\x20\x01"), "pci:v00008086d00001533sv0sd0bc02sc00i00")
	fuzzseed.Add(f, []byte("\x00\x30\xff\x00\x31\x80\x00\x40\x10"), "usb:v1d6bp0002d0601dc09dsc00dp01ic09isc00ip00in00")
	fuzzseed.Add(f, []byte{}, "fs-ext4")
	table := build(f, realistic()...)
	f.Fuzz(func(t *testing.T, edits []byte, key string) {
		if len(key) > 256 || strings.ContainsAny(key, "*?[\x00") {
			return
		}
		data := bytes.Clone(table)
		for ; len(edits) >= 3; edits = edits[3:] { // two bytes of offset, one to change with
			data[(int(edits[0])<<8|int(edits[1]))%len(data)] ^= edits[2]
		}
		x, err := index.Parse(data)
		if err != nil {
			return
		}
		got := x.Search(nil, key)
		for _, v := range got {
			if !bytes.Contains(data, append([]byte(v.Value), 0)) {
				t.Errorf("Search(%q) finds %q, which is not in the file", key, v.Value)
			}
		}
		first, ok := x.Lookup(key)
		if ok && !bytes.Contains(data, append([]byte(first), 0)) {
			t.Errorf("Lookup(%q) finds %q, which is not in the file", key, first)
		}
		if x.Check() != nil {
			return
		}
		if want := slow(x, key); !slices.Equal(got, want) {
			t.Errorf("Search(%q) = %v; the slow twin says %v", key, got, want)
		}
		for k, v := range x.All() {
			if k == key {
				if !ok || first != v.Value {
					t.Errorf("Lookup(%q) = %q, %t; the dump says %q", key, first, ok, v.Value)
				}
				return
			}
		}
		if ok {
			t.Errorf("Lookup(%q) = %q, which is not in the dump", key, first)
		}
	})
}

// realistic returns entries such as modules.alias.bin has.
func realistic() (list []triple) {
	for i, key := range []string{
		"acpi*:PNP0303:*", "cpu:type:x86,ven*fam*mod*:feature:*0081*", "char_major_10_200", "crypto_crc32c", "devname:net/tun",
		"dmi*:svnLENOVO:*pvrThinkPad[TX]*:", "fs_ext2", "fs_ext4", "hid:b0003g*v0000046Dp0000C52B", "input:b*v*p*e*_e*1,*k*r*a*m*l*s*f*w*",
		"net_pf_16_proto_16_family_nl80211", "of:N*T*Carm,pl011", "of:N*T*Carm,pl011C*", "pci:v*d*sv*sd*bc01sc06i01*",
		"pci:v00008086d00001533sv*sd*bc*sc*i*", "pci:v00008086d00001533sv*sd*bc02sc*i*", "pci:v00008086d*sv*sd*bc*sc*i*",
		"pcmcia:m0104c0145f*fn*pfn*pa*pb*pc*pd*", "platform:serial8250", "scsi:t_0x00*", "usb:v*p*d*dc09dsc*dp*ic*isc*ip*in*",
		"usb:v1D6Bp0002d*dc*dsc*dp*ic*isc*ip*in*", "usb:v1D6Bp000[23]d*dc*dsc*dp*ic*isc*ip*in*", "virtio:d00000001v*", "wmi:8C5DA44C_CDC3_46B3_8619_4E26D34390B7", "*",
	} {
		list = append(list, triple{key, "module_" + strconv.Itoa(i%7), uint32(i % 11)})
	}
	return list
}

package btf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// sample is BTF with every kind, in the byte order that is asked for.
func sample(order binary.ByteOrder) *kmodtest.BTF {
	b := &kmodtest.BTF{Order: order}
	long := b.Int("long unsigned int", 8)
	char := b.Add(1<<24, "char", 1, 2<<24|8)
	wide := b.Add(16<<24, "double", 8)
	text := b.Array(char, long, 16)
	list := b.Struct("list_head", 16, kmodtest.At("next", 7, 0), kmodtest.At("prev", 7, 8)) // 5
	b.Add(7<<24, "opaque", 0)
	b.Pointer(list)                                                                    // 7
	color := b.Enum("color", kmodtest.Of("RED", 0), kmodtest.Of("GREEN", 1<<31))       // 8
	big := b.List(19, "big", 8, kmodtest.Field{Name: "BIG", Words: []uint32{1, 1}})    // 9
	volatile := b.Add(9<<24, "", long)                                                 // 10
	constant := b.Add(10<<24, "", char)                                                // 11
	name := b.Pointer(constant)                                                        // 12
	tag := b.Add(18<<24, "rcu", list)                                                  // 13
	tagged := b.Pointer(tag)                                                           // 14
	proto := b.List(13, "", color, kmodtest.Of("l", tagged), kmodtest.Of("", 0))       // 15
	call := b.Pointer(proto)                                                           // 16
	inner := b.Union("", 8, kmodtest.At("count", volatile, 0), kmodtest.At("w", 3, 0)) // 17
	bits := uint32(5)<<24 | 64*8
	dev := b.Add(1<<31|4<<24|7, "dev", 104, b.Text("list"), list, 0, b.Text("name"), text, 16*8, 0, inner, 32*8,
		b.Text("call"), call, 40*8, b.Text("label"), name, 48*8, b.Text("big"), big, 56*8,
		b.Text("flags"), long, bits) // 18
	dev2 := b.Typedef("dev_t", dev)              // 19
	fn := b.Add(12<<24|1, "dev_open", proto)     // 20
	v := b.Add(14<<24, "dev_count", long, 1)     // 21
	b.Add(15<<24|1, ".data..percpu", 8, v, 0, 8) // 22
	b.Add(17<<24, "kfunc", fn, 0xffffffff)       // 23
	b.Add(11<<24, "", b.Pointer(dev2))           // 24, 25
	_ = wide
	return b
}

const devInC = `struct dev {
	struct list_head list;                           /*     0    16 */
	char name[16];                                   /*    16    16 */
	union {
		volatile long unsigned int count;        /*    32     8 */
		double w;                                /*    32     8 */
	};                                               /*    32     8 */
	enum color (*call)(struct list_head *l, ...);    /*    40     8 */
	const char *label;                               /*    48     8 */
	enum big big;                                    /*    56     8 */
	long unsigned int flags:5;                       /*    64: 0  8 */
	/* hole: 315 bits */

	/* size: 104, members: 7 */
};
`

// TestSample reads one type of each kind, in both byte orders.
func TestSample(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		f, err := btf.Parse(sample(order).Bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.End() != 26 || f.First() != 1 || f.ByteOrder() != order || f.PointerSize() != 8 {
			t.Errorf("%v: ids %d to %d, %v, pointers of %d bytes", order, f.First(), f.End(), f.ByteOrder(),
				f.PointerSize())
		}
		for _, test := range []struct{ name, want string }{
			{"dev", devInC},
			{"color", "enum color {\n\tRED = 0,\n\tGREEN = 2147483648,\n\n\t/* size: 4, members: 2 */\n};\n"},
			{"big", "enum big {\n\tBIG = 4294967297,\n\n\t/* size: 8, members: 1 */\n};\n"},
			{"dev_t", "typedef struct dev dev_t; /* size: 104 */\n"},
			{"dev_open", "enum color dev_open(struct list_head *l, ...);\n"},
			{"dev_count", "long unsigned int dev_count; /* size: 8 */\n"},
			{"opaque", "struct opaque;\n"},
			{"double", "double; /* size: 8 */\n"},
			{"", ""}, {"nothing", ""},
		} {
			var out strings.Builder
			for _, typ := range f.Lookup(test.name) {
				if err := f.Print(&out, typ.ID); err != nil {
					t.Error(err)
				}
			}
			if out.String() != test.want {
				t.Errorf("%v: %s is\n%s\nwant\n%s", order, test.name, out.String(), test.want)
			}
		}
		if got := f.Declare(25, "x"); got != "dev_t *restrict x" {
			t.Errorf("type 25 is %q", got)
		}
		if v, err := btf.Validate((&kmodtest.BTF{Order: order, Base: sample(order)}).Bytes(), nil, f); v != btf.Valid {
			t.Errorf("split BTF without types: %v, %v", v, err)
		}
	}
}

// TestSplit reads types that go on where others end.
func TestSplit(t *testing.T) {
	base := sample(nil)
	split := &kmodtest.BTF{Base: base}
	own := split.Struct("own", 120, kmodtest.At("dev", 18, 0), kmodtest.At("next", split.Pointer(5), 104))
	kernel, err := btf.Parse(base.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := btf.Parse(split.Bytes(), kernel)
	if err != nil {
		t.Fatal(err)
	}
	typ := f.Type(btf.ID(own))
	if typ.Name() != "own" || f.Base() != kernel || f.First() != kernel.End() || f.PointerSize() != 8 {
		t.Errorf("type %d is %q, of %d", own, typ.Name(), f.First())
	}
	if got := f.Declare(typ.Member(0).Type, typ.Member(0).Name); got != "struct dev dev" {
		t.Errorf("member 0 is %q", got)
	}
	if found := f.Lookup("list_head"); len(found) != 1 || found[0].ID != 5 {
		t.Errorf("list_head is %v", found)
	}
	if _, err := btf.Parse(split.Bytes(), f); err == nil {
		t.Error("split BTF is the base of another")
	}
}

// TestDefects reads BTF with one defect each.
func TestDefects(t *testing.T) {
	good := sample(nil).Bytes()
	put := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	for _, test := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "0 bytes are no header at offset 0x0"},
		{"cut off", func(b []byte) []byte { return b[:40] }, "do not fit at offset 0x8"},
		{"magic", put(0, 0x01eb9e), "no magic number at offset 0x0"},
		{"version", put(0, 0x02eb9f), "version 2 at offset 0x2"},
		{"flags", put(0, 0x0101eb9f), "unknown flags 0x1 at offset 0x3"},
		{"short header", put(4, 20), "header of 20 bytes at offset 0x4"},
		{"long header", put(4, 1<<31), "header of 2147483648 bytes at offset 0x4"},
		{"types far away", put(8, 1<<32-4), "do not fit at offset 0x8"},
		{"types not aligned", put(8, 1), "not aligned at offset 0x8"},
		{"strings too long", put(20, 1<<32-1), "do not fit at offset 0x10"},
		{"strings without end", func(b []byte) []byte { b[len(b)-1] = 'x'; return b }, "do not end in a zero byte"},
		{"strings without begin", put(16, 0), "do not begin with an empty one"},
		{"kind", put(28, 31<<24), "unknown kind 31 at offset 0x1c"},
		{"void", put(28, 0), "unknown kind 0 at offset 0x1c"},
		{"bits", put(28, 1<<24|1<<16), "unknown bits in 0x1010000 at offset 0x1c"},
		{"2^16 members", put(28, 4<<24|0xffff), "struct with 65535 elements is cut off at offset 0x18"},
		{"name", put(24, 1<<32-1), "string at 0xffffffff, behind the last at offset 0x18"},
		{"id", put(28, 2<<24), ""},
		{"last type cut off", put(12, 20), "the last type is cut off at offset 0x28"},
	} {
		f, err := btf.Parse(test.change(bytes.Clone(good)), nil)
		var bad *btf.FormatError
		switch {
		case err == nil && test.want == "":
		case err == nil || f != nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &bad):
			t.Errorf("%s: %v; want %q", test.name, err, test.want)
		}
	}
}

// TestHostile reads types that stand for more than anybody can hold: they are cut, quickly.
func TestHostile(t *testing.T) {
	b := &kmodtest.BTF{}
	char := b.Int("char", 1)
	first := b.Struct("", 1, kmodtest.At("c", char, 0))
	for i := range uint32(60) { // each twice as large as the one before
		b.Struct("", 1, kmodtest.At("", first+i, 0), kmodtest.At("", first+i, 0))
	}
	end := b.Struct("end", 1, kmodtest.At("all", first+60, 0))
	self := b.Typedef("self", end+1)
	ring := b.Array(end+2, char, 1<<31)
	proto := b.List(13, "", ring+1, kmodtest.Of("", ring+1), kmodtest.Of("", ring+1))
	deep := b.Pointer(char)
	for range 1000 {
		deep = b.Pointer(deep)
	}
	many := char
	for range 5 {
		many = b.Array(many, char, 1<<31)
	}
	f, err := btf.Parse(b.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint32{end, self, ring, proto, deep, many} {
		var out strings.Builder
		if err := f.Print(&out, btf.ID(id)); err != nil || out.Len() > 64<<20 {
			t.Errorf("type %d: %d bytes, %v", id, out.Len(), err)
		}
		if !strings.Contains(out.String(), "...") && id != many && id != self {
			t.Errorf("type %d is not cut: %.100s", id, out.String())
		}
	}
	for _, id := range []uint32{self, ring, many} {
		if n, ok := f.Size(btf.ID(id)); ok {
			t.Errorf("type %d has %d bytes", id, n)
		}
	}
}

// TestFind looks for BTF in an image without sections.
func TestFind(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		want := sample(order).Bytes()
		image := bytes.Join([][]byte{make([]byte, 1000), want[:30], want, make([]byte, 50)}, nil)
		if got := btf.Find(image); !bytes.Equal(got, want) {
			t.Errorf("%v: %d bytes of %d found", order, len(got), len(want))
		}
	}
	if got := btf.Find(make([]byte, 1000)); got != nil {
		t.Errorf("%d bytes found in zeros", len(got))
	}
}

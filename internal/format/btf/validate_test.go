package btf_test

import (
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// TestValidate breaks one rule at a time.
func TestValidate(t *testing.T) {
	kernel, err := btf.Parse(sample(nil).Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at, of := kmodtest.At, kmodtest.Of
	const long, char, double, list, opaque, pointer, dev, union, proto = 1, 2, 3, 5, 6, 7, 18, 17, 15
	for _, test := range []struct {
		name string
		make func(b *kmodtest.BTF)
		want string // "" if it is valid
	}{
		{"good", func(b *kmodtest.BTF) {
			b.Struct("own", 128, at("dev", dev, 0), at("count", b.Typedef("count_t", long), 104))
			b.Func("open", pointer, of("l", pointer), of("", 0))
			b.Func("close", 0)
		}, ""},
		{"embeds more than it has room for", func(b *kmodtest.BTF) { b.Struct("own", 100, at("dev", dev, 0)) }, "does not fit in 100 bytes"},
		{"embeds void", func(b *kmodtest.BTF) { b.Struct("own", 100, at("x", 0, 0)) }, "member 0 has no size"},
		{"embeds what is only declared", func(b *kmodtest.BTF) { b.Struct("own", 100, at("x", opaque, 0)) }, "member 0 has no size"},
		{"members out of order", func(b *kmodtest.BTF) { b.Struct("own", 100, at("a", long, 8), at("b", long, 0)) }, "before the last"},
		{"union with offsets", func(b *kmodtest.BTF) { b.Union("own", 100, at("a", long, 8)) }, "before the last"},
		{"no identifier", func(b *kmodtest.BTF) { b.Struct("0wn", 8) }, "the name is none"},
		{"member without identifier", func(b *kmodtest.BTF) { b.Struct("own", 8, at("a b", long, 0)) }, "the name of member 0"},
		{"half a byte", func(b *kmodtest.BTF) { b.Struct("own", 80, kmodtest.Field{Name: "l", Words: []uint32{list, 4}}) }, "not at a byte"},
		{"float not aligned", func(b *kmodtest.BTF) { b.Struct("own", 80, at("d", double, 4)) }, "not aligned"},
		{"bit field of a structure", func(b *kmodtest.BTF) {
			b.Add(1<<31|4<<24|1, "own", 80, b.Text("l"), list, 3<<24)
		}, "is a bit field"},
		{"bit field too wide", func(b *kmodtest.BTF) {
			b.Add(1<<31|4<<24|1, "own", 80, b.Text("c"), char, 9<<24)
		}, "more bits than its type"},
		{"contains itself", func(b *kmodtest.BTF) { b.Struct("own", 8, at("own", 26, 0)) }, "contains itself"},
		{"function without identifier", func(b *kmodtest.BTF) { b.Func("", 0) }, "the name is none"},
		{"function of no prototype", func(b *kmodtest.BTF) { b.Add(12<<24, "open", long) }, "of no prototype"},
		{"function with an anonymous parameter", func(b *kmodtest.BTF) { b.Func("open", 0, of("", long)) }, "parameter 0 has no name"},
		{"function that takes a declared type", func(b *kmodtest.BTF) { b.Func("open", 0, of("x", opaque)) }, "parameter 0 has no size"},
		{"function that returns one", func(b *kmodtest.BTF) { b.Func("open", opaque) }, "what it returns has no size"},
		{"array of void", func(b *kmodtest.BTF) { b.Array(0, long, 1) }, "elements have no size"},
		{"array counted in structures", func(b *kmodtest.BTF) { b.Array(long, list, 1) }, "index is no number"},
		{"array too large", func(b *kmodtest.BTF) { b.Array(long, long, 1<<30) }, "elements have no size"},
		{"pointer with a name", func(b *kmodtest.BTF) { b.Add(2<<24, "p", long) }, "it has a name"},
		{"pointer with elements", func(b *kmodtest.BTF) { b.Add(2<<24|3, "", long) }, "it has 3 elements"},
		{"pointer with a flag", func(b *kmodtest.BTF) { b.Add(1<<31|2<<24, "", long) }, "kind_flag is set"},
		{"enumeration of three bytes", func(b *kmodtest.BTF) { b.List(6, "e", 3) }, "3 bytes"},
		{"value without name", func(b *kmodtest.BTF) { b.Enum("e", of("", 1)) }, "the name of value 0"},
		{"float of one byte", func(b *kmodtest.BTF) { b.Add(16<<24, "f", 1) }, "1 bytes"},
		{"number with more bits than bytes", func(b *kmodtest.BTF) { b.Add(1<<24, "i", 1, 16) }, "its bits do not fit"},
		{"variable of void", func(b *kmodtest.BTF) { b.Add(14<<24, "v", 0, 1) }, "it has no size"},
		{"section of types", func(b *kmodtest.BTF) { b.Add(15<<24|1, ".data", 8, long, 0, 8) }, "in place of variable 0"},
		{"section too small", func(b *kmodtest.BTF) { b.Add(15<<24|1, ".data", 8, b.Add(14<<24, "v", long, 1), 4, 8) }, "variable 0 is not in it"},
		{"variable too small", func(b *kmodtest.BTF) { b.Add(15<<24|1, ".data", 8, b.Add(14<<24, "v", long, 1), 0, 4) }, "8 bytes in place of 4"},
		{"section without size", func(b *kmodtest.BTF) { b.Add(15<<24, ".data", 0) }, "or no size"},
		{"tag about a number", func(b *kmodtest.BTF) { b.Add(17<<24, "tag", long, 0xffffffff) }, "it is about int"},
		{"tag about member 8 of 7", func(b *kmodtest.BTF) { b.Add(17<<24, "tag", dev, 8) }, "part 8 of 7"},
		{"tag without name", func(b *kmodtest.BTF) { b.Add(17<<24, "", dev, 0) }, "it has no name"},
		{"type behind the last", func(b *kmodtest.BTF) { b.Pointer(1000) }, "type 1000 of 27"},
	} {
		b := &kmodtest.BTF{Base: sample(nil)}
		test.make(b)
		v, err := btf.Validate(b.Bytes(), nil, kernel)
		switch {
		case test.want == "" && (v != btf.Valid || err != nil):
			t.Errorf("%s: %v, %v", test.name, v, err)
		case test.want != "" && (v != btf.Invalid || err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, %v; want %q", test.name, v, err, test.want)
		}
	}
}

// TestValidateUnknown has what newer kernels may read, and a distilled base whose types the kernel has, or not.
func TestValidateUnknown(t *testing.T) {
	kernel, err := btf.Parse(sample(nil).Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &kmodtest.BTF{Base: sample(nil)}
	b.Add(20<<24, "new", 0)
	if v, err := btf.Validate(b.Bytes(), nil, kernel); v != btf.NotKnown || err == nil {
		t.Errorf("an unknown kind: %v, %v", v, err)
	}
	b = &kmodtest.BTF{Base: sample(nil)}
	b.Add(1<<31|18<<24, "attribute", 1)
	if v, err := btf.Validate(b.Bytes(), nil, kernel); v != btf.NotKnown || err == nil {
		t.Errorf("an attribute: %v, %v", v, err)
	}
	for _, test := range []struct {
		size uint32
		want btf.Validity
	}{{104, btf.Valid}, {112, btf.NotKnown}} {
		distilled := &kmodtest.BTF{}
		distilled.Struct("dev", test.size)
		distilled.Add(7<<24, "list_head", 0)
		b := &kmodtest.BTF{Base: distilled}
		b.Struct("own", 112, kmodtest.At("dev", 1, 0))
		if v, err := btf.Validate(b.Bytes(), distilled.Bytes(), kernel); v != test.want {
			t.Errorf("distilled struct dev of %d bytes: %v, %v", test.size, v, err)
		}
	}
}

// TestValidateDebian takes modules for the kernel they were built with, and refuses the same for its other flavour: their ids mean
// other types there.
func TestValidateDebian(t *testing.T) {
	own, err := btf.Parse(kernelBTF(t, "7.2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := btf.Parse(kernelBTF(t, "7.2-cloud"), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	modules(t, "7.2", 41, func(name string, image []byte) {
		data := section(t, image, ".BTF")
		if data == nil {
			return
		}
		n++
		if v, err := btf.Validate(data, nil, own); v != btf.Valid {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		if v, _ := btf.Validate(data, nil, other); v == btf.Valid {
			t.Errorf("%s is valid on another kernel", name)
		}
	})
	if n < 50 {
		t.Errorf("%d modules", n)
	}
}

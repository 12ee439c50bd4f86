package btf_test

import (
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// ruleIDs are types of a kernel that rules need.
type ruleIDs struct{ long, char, list, dev, devSize, end uint32 }

// A rule is types that break one, or none.
type rule struct {
	name string
	make func(b *kmodtest.BTF)
	want string // in the error; "" if it is valid
}

func rules(id ruleIDs) []rule {
	at, of := kmodtest.At, kmodtest.Of
	opaque := func(b *kmodtest.BTF) uint32 { return b.Add(7<<24, "no_such_structure", 0) }
	return []rule{
		{"good", func(b *kmodtest.BTF) {
			b.Struct("own", id.devSize+8, at("dev", id.dev, 0), at("count", b.Typedef("count_t", id.long), id.devSize))
			b.Func("open", b.Pointer(id.list), of("l", b.Pointer(id.list)), of("", 0))
			b.Func("close", 0)
		}, ""},
		{"embeds more than it has room for", func(b *kmodtest.BTF) {
			b.Struct("own", id.devSize-4,
				at("dev", id.dev, 0))
		}, ""},
		{"embeds void", func(b *kmodtest.BTF) { b.Struct("own", 100, at("x", 0, 0)) }, "member 0 is of type 0"},
		{"embeds what is only declared", func(b *kmodtest.BTF) { b.Struct("own", 100, at("x", opaque(b), 0)) }, ""},
		{"members out of order", func(b *kmodtest.BTF) {
			b.Struct("own", 100, at("a", id.long, 8),
				at("b", id.long, 0))
		}, "before the last"},
		{"union with offsets", func(b *kmodtest.BTF) { b.Union("own", 100, at("a", id.long, 8)) }, "before the last"},
		{"no identifier", func(b *kmodtest.BTF) { b.Struct("0wn", 8) }, "is no name"},
		{"member without identifier", func(b *kmodtest.BTF) { b.Struct("own", 8, at("a b", id.long, 0)) },
			"the name of member 0"},
		{"half a byte", func(b *kmodtest.BTF) {
			b.Struct("own", 80,
				kmodtest.Field{Name: "l", Words: []uint32{id.list, 4}})
		}, ""},
		{"float not aligned", func(b *kmodtest.BTF) { b.Struct("own", 80, at("d", b.Add(16<<24, "double", 8), 4)) },
			""},
		{"bit field of a structure", func(b *kmodtest.BTF) {
			b.Add(1<<31|4<<24|1, "own", 80, b.Text("l"), id.list, 3<<24)
		}, ""},
		{"bit field too wide", func(b *kmodtest.BTF) {
			b.Add(1<<31|4<<24|1, "own", 80, b.Text("c"), id.char, 9<<24)
		}, ""},
		{"contains itself", func(b *kmodtest.BTF) { b.Struct("own", 8, at("own", id.end, 0)) }, ""},
		{"function without identifier", func(b *kmodtest.BTF) { b.Func("", 0) }, "is no name"},
		{"function of no prototype", func(b *kmodtest.BTF) { b.Add(12<<24, "open", id.long) }, ""},
		{"function with an anonymous parameter", func(b *kmodtest.BTF) { b.Func("open", 0, of("", id.long)) }, ""},
		{"function that takes a declared type", func(b *kmodtest.BTF) { b.Func("open", 0, of("x", opaque(b))) }, ""},
		{"function that returns one", func(b *kmodtest.BTF) { b.Func("open", opaque(b)) }, ""},
		{"array of void", func(b *kmodtest.BTF) { b.Array(0, id.long, 1) }, "its elements are of type 0"},
		{"array counted in structures", func(b *kmodtest.BTF) { b.Array(id.long, id.list, 1) }, ""},
		{"array too large", func(b *kmodtest.BTF) { b.Array(id.long, id.long, 1<<30) }, ""},
		{"pointer with a name", func(b *kmodtest.BTF) { b.Add(2<<24, "p", id.long) }, "it has a name"},
		{"pointer with elements", func(b *kmodtest.BTF) { b.Add(2<<24|3, "", id.long) }, "it has 3 elements"},
		{"pointer with a flag", func(b *kmodtest.BTF) { b.Add(1<<31|2<<24, "", id.long) }, "kind_flag is set"},
		{"enumeration of three bytes", func(b *kmodtest.BTF) { b.List(6, "e", 3) }, "3 bytes"},
		{"value without name", func(b *kmodtest.BTF) { b.Enum("e", of("", 1)) }, "the name of value 0"},
		{"float of one byte", func(b *kmodtest.BTF) { b.Add(16<<24, "f", 1) }, "1 bytes"},
		{"number with more bits than bytes", func(b *kmodtest.BTF) { b.Add(1<<24, "i", 1, 16) }, "its bits do not fit"},
		{"variable of void", func(b *kmodtest.BTF) { b.Add(14<<24, "v", 0, 1) }, "it is of type 0"},
		{"section of types", func(b *kmodtest.BTF) { b.Add(15<<24|1, ".data", 8, id.long, 0, 8) }, ""},
		{"section too small", func(b *kmodtest.BTF) {
			b.Add(15<<24|1, ".data", 8, b.Add(14<<24, "v", id.long, 1), 4,
				8)
		}, "variable 0 is not in it"},
		{"variable too small", func(b *kmodtest.BTF) {
			b.Add(15<<24|1, ".data", 8, b.Add(14<<24, "v", id.long, 1), 0,
				4)
		}, ""},
		{"section without size", func(b *kmodtest.BTF) { b.Add(15<<24, ".data", 0) }, "it has no size"},
		{"tag about a number", func(b *kmodtest.BTF) { b.Add(17<<24, "tag", id.long, 0xffffffff) }, ""},
		{"tag about member 8 of 7", func(b *kmodtest.BTF) { b.Add(17<<24, "tag", id.dev, 1000) }, ""},
		{"begins behind its end", func(b *kmodtest.BTF) { b.Struct("own", 8, at("a", id.long, 16)) },
			"behind the 8 bytes"},
		{"declaration with a size", func(b *kmodtest.BTF) { b.Add(7<<24, "x", 8) }, "it has a size"},
		{"function of linkage 2", func(b *kmodtest.BTF) { b.Add(12<<24|2, "x", 1) }, "linkage 2"},
		{"variable of linkage 2", func(b *kmodtest.BTF) { b.Add(14<<24, "v", id.long, 2) }, "linkage 2"},
		{"variables out of order", func(b *kmodtest.BTF) {
			b.Add(15<<24|2, ".data", 8, id.long, 4, 4, id.long, 0,
				4)
		}, "variable 1 is not in it"},
		{"pointer to a large id", func(b *kmodtest.BTF) { b.Pointer(1 << 20) }, "it is of type 1048576"},
		{"pointer to the largest id", func(b *kmodtest.BTF) { b.Pointer(1<<20 - 1) }, ""},
		{"typedef of void", func(b *kmodtest.BTF) { b.Typedef("nothing_t", 0) }, ""},
		{"tag about part -2", func(b *kmodtest.BTF) { b.Add(17<<24, "tag", id.dev, 0xfffffffe) }, "part -2"},
		{"tag without type", func(b *kmodtest.BTF) { b.Add(18<<24, "tag", 0) }, ""},
		{"number with unknown bits", func(b *kmodtest.BTF) { b.Add(1<<24, "i", 1, 1<<28|8) }, "its bits do not fit"},
		{"tag without name", func(b *kmodtest.BTF) { b.Add(17<<24, "", id.dev, 0) }, "it has no name"},
		{"type behind the last", func(b *kmodtest.BTF) { b.Pointer(id.end + 1000) }, ""},
	}
}

// TestValidate breaks one rule at a time.
func TestValidate(t *testing.T) {
	kernel, err := btf.Parse(sample(nil).Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range rules(ruleIDs{long: 1, char: 2, list: 5, dev: 18, devSize: 104, end: 26}) {
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
	b = &kmodtest.BTF{Base: sample(nil)}
	b.Add(1<<24, "i", 1, 3<<24|8)
	if v, err := btf.Validate(b.Bytes(), nil, kernel); v != btf.NotKnown || err == nil {
		t.Errorf("a number that is signed and a character: %v, %v", v, err)
	}
}

// TestValidateDistilled has a distilled base of one type, which the kernel has, or not.
func TestValidateDistilled(t *testing.T) {
	more := sample(nil)
	more.Struct("twice", 8)
	more.Struct("twice", 16)
	more.Struct("same", 8)
	more.Struct("same", 8)
	kernel, err := btf.Parse(more.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dev := func(size uint32) func(b *kmodtest.BTF) { return func(b *kmodtest.BTF) { b.Struct("dev", size) } }
	member := func(b *kmodtest.BTF) { b.Struct("own", 200, kmodtest.At("x", 1, 0)) }
	array := func(b *kmodtest.BTF) { b.Array(1, 1, 2) }
	pointer := func(b *kmodtest.BTF) { b.Pointer(1) }
	for _, test := range []struct {
		name      string
		base, own func(b *kmodtest.BTF)
		want      btf.Validity
	}{
		{"as it is", dev(104), member, btf.Valid},
		{"of another size", dev(112), member, btf.Invalid},
		{"of another size in an array", dev(112), array, btf.NotKnown},
		{"of another size behind a pointer", dev(112), pointer, btf.Valid},
		{"declared", func(b *kmodtest.BTF) { b.Add(7<<24, "dev", 0) }, pointer, btf.Valid},
		{"declared as a union", func(b *kmodtest.BTF) { b.Add(1<<31|7<<24, "dev", 0) }, pointer, btf.Valid},
		{"not there", func(b *kmodtest.BTF) { b.Struct("other", 8) }, pointer, btf.Invalid},
		{"two declared", func(b *kmodtest.BTF) { b.Add(7<<24, "twice", 0) }, pointer, btf.Invalid},
		{"one of two", func(b *kmodtest.BTF) { b.Struct("twice", 16) }, member, btf.Valid},
		{"none of two", func(b *kmodtest.BTF) { b.Struct("twice", 24) }, pointer, btf.NotKnown},
		{"two of one size", func(b *kmodtest.BTF) { b.Struct("same", 8) }, pointer, btf.NotKnown},
		{"number", func(b *kmodtest.BTF) { b.Int("long unsigned int", 8) }, pointer, btf.Valid},
		{"number of another size", func(b *kmodtest.BTF) { b.Int("long unsigned int", 4) }, pointer, btf.Invalid},
		{"signed number", func(b *kmodtest.BTF) { b.Add(1<<24, "long unsigned int", 8, 1<<24|64) }, pointer,
			btf.Invalid},
		{"enumeration", func(b *kmodtest.BTF) { b.Enum("color") }, pointer, btf.Valid},
		{"enumeration of another size", func(b *kmodtest.BTF) { b.List(6, "color", 8) }, pointer, btf.Invalid},
		{"float", func(b *kmodtest.BTF) { b.Add(16<<24, "double", 8) }, pointer, btf.Valid},
		{"typedef", func(b *kmodtest.BTF) { b.Typedef("dev_t", 0) }, pointer, btf.Invalid},
	} {
		distilled := &kmodtest.BTF{}
		test.base(distilled)
		b := &kmodtest.BTF{Base: distilled}
		test.own(b)
		if v, err := btf.Validate(b.Bytes(), distilled.Bytes(), kernel); v != test.want ||
			(v == btf.Valid) != (err == nil) {
			t.Errorf("%s: %v, %v", test.name, v, err)
		}
	}
}

// TestValidateDebian takes modules for the kernel they were built with, and refuses the same for its other flavour:
// their ids mean other types there.
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

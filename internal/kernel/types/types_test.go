package types_test

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

var at, of = kmodtest.At, kmodtest.Of

// A testKernel is made of C by hand: ids of what tests refer to.
type testKernel struct {
	*kmodtest.BTF
	long, char, device uint32
}

// build makes a kernel with struct device, which contains struct power and points to struct bus; change may add to it
// first.
func build(bus, power func(k *testKernel) uint32) *testKernel {
	k := &testKernel{BTF: &kmodtest.BTF{}}
	k.long = k.Int("long unsigned int", 8)
	k.char = k.Int("char", 1)
	b, p := bus(k), power(k)
	k.device = k.Struct("device", 48, at("name", k.Pointer(k.char), 0), at("bus", k.Pointer(b), 8), at("power", p, 16))
	k.Func("device_add", k.long, of("dev", k.Pointer(k.device)))
	k.Func("bus_find", k.Pointer(b), of("name", k.Pointer(k.char)))
	k.Func("kfree", 0, of("p", k.Pointer(0)))
	return k
}

func plainBus(k *testKernel) uint32 {
	return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("flags", k.long, 8))
}

func plainPower(k *testKernel) uint32 {
	return k.Struct("power", 24, at("state", k.long, 0), at("usage", k.char, 8), at("timer", k.long, 16))
}

func parse(t testing.TB, b *kmodtest.BTF, base *btf.File) *btf.File {
	t.Helper()
	f, err := btf.Parse(b.Bytes(), base)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// side makes one of a kernel that exports the functions, with CRCs if differ is not nil: those in it have another
// one.
func side(t testing.TB, k *testKernel, differ []string) types.Side {
	s := types.Side{Types: parse(t, k.BTF, nil)}
	for _, name := range []string{"device_add", "bus_find", "kfree", "jiffies"} {
		e := types.Export{Name: name, CRC: 1, HasCRC: differ != nil}
		if slices.Contains(differ, name) {
			e.CRC = 2
		}
		s.Exports = append(s.Exports, e)
	}
	return s
}

// TestChanges changes one structure in every way, and wants the class and the words.
func TestChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		bus    func(k *testKernel) uint32
		change types.Change
		want   string // Lines of struct bus
	}{
		{"same", plainBus, types.Same, ""},
		{"new at the end", func(k *testKernel) uint32 {
			return k.Struct("bus", 24, at("name", k.Pointer(k.char), 0), at("flags", k.long, 8), at("more", k.long, 16))
		}, types.Grown, "size was 16, is 24|long unsigned int more at 0x10 is new"},
		{"gone", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0))
		}, types.Gone, "long unsigned int flags at 0x8 is gone"},
		{"moved", func(k *testKernel) uint32 {
			return k.Struct("bus", 24, at("id", k.long, 0), at("name", k.Pointer(k.char), 8), at("flags", k.long, 16))
		}, types.Moved, "size was 16, is 24|long unsigned int id at 0x0 is new|" +
			"from char *name at 0x0 on 2 moved by +8 bytes"},
		{"of another size", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("flags", k.char, 8))
		}, types.Moved, "long unsigned int flags at 0x8 is now char flags at 0x8"},
		{"another name for the same", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("flags", k.Typedef("flags_t", k.long), 8))
		}, types.Text, "long unsigned int flags at 0x8 is now flags_t flags at 0x8"},
		{"const", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.Add(10<<24, "", k.char)), 0), at("flags", k.long, 8))
		}, types.Text, "char *name at 0x0 is now const char *name at 0x0"},
		{"tagged", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.Add(18<<24, "user", k.char)), 0), at("flags", k.long, 8))
		}, types.Same, ""},
		{"pointer to something else", func(k *testKernel) uint32 {
			return k.Struct("bus", 16, at("name", k.Pointer(k.Struct("name", 0)), 0), at("flags", k.long, 8))
		}, types.Moved, "char *name at 0x0 is now struct name *name at 0x0"},
		{"bit fields in the place of a number", func(k *testKernel) uint32 {
			return k.Add(1<<31|4<<24|3, "bus", 16, k.Text("name"), k.Pointer(k.char), 0, k.Text("flags"), k.long,
				63<<24|64, k.Text("new"), k.long, 1<<24|127)
		}, types.Moved, "long unsigned int flags at 0x8 is now long unsigned int flags:63 at 0x8:0|" +
			"long unsigned int new:1 at 0xf:7 is new"},
		{"in a union without name", func(k *testKernel) uint32 {
			u := k.Union("", 8, at("flags", k.long, 0), at("mode", k.char, 0))
			return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("", u, 8))
		}, types.Added, "char mode at 0x8 is new"},
	} {
		a, b := build(plainBus, plainPower), build(test.bus, plainPower)
		r := types.Compare(side(t, a, []string{}), side(t, b, []string{"device_add"})).Report()
		if test.change == types.Same {
			if len(r.Types) != 0 || !reflect.DeepEqual(r.CRCOnly, []string{"device_add"}) {
				t.Errorf("%s: %+v", test.name, r)
			}
			continue
		}
		if len(r.Types) != 1 || r.Types[0].Type != "struct bus" || r.Types[0].Change != test.change ||
			r.Types[0].Symbols != 2 {
			t.Errorf("%s: %+v", test.name, r.Types)
			continue
		}
		if got := strings.Join(r.Types[0].Lines(), "|"); got != test.want {
			t.Errorf("%s: %s; want %s", test.name, got, test.want)
		}
		if want := (types.Tally{Closure: 1}); r.Differ != want {
			t.Errorf("%s: differ %+v", test.name, r.Differ)
		}
		if want := (types.Tally{Closure: 1, Equal: 1, NoType: 1}); r.Agree != want {
			t.Errorf("%s: agree %+v", test.name, r.Agree)
		}
	}
}

// TestReport has exports that are gone, new, without type, and declared in another way.
func TestReport(t *testing.T) {
	a, b := build(plainBus, plainPower), build(plainBus, plainPower)
	for i, k := range []*testKernel{a, b} {
		k.Enum("state", of("ON", 0), of("OFF", uint32(1+i)))
		k.Func("same_abi", k.long, of("x", k.long))
		k.Func("returns", []uint32{0, k.long}[i])
		k.Func("takes", 0, []kmodtest.Field{of("x", k.long), of("y", k.long)}[:1+i]...)
		k.Func("words", 0, of("x", []uint32{k.long, k.Typedef("x_t", k.long)}[i]))
		k.Func("assembled", 0, []kmodtest.Field{of("x", k.long)}[:i]...)
	}
	sa, sb := side(t, a, []string{}), side(t, b, []string{"jiffies"})
	for _, name := range []string{"same_abi", "takes", "words", "assembled", "gone"} {
		sa.Exports = append(sa.Exports, types.Export{Name: name})
	}
	for _, name := range []string{"same_abi", "takes", "words", "assembled", "new"} {
		sb.Exports = append(sb.Exports, types.Export{Name: name})
	}
	r := types.Compare(sa, sb).Report()
	if !reflect.DeepEqual(r.Gone, []string{"gone"}) || !reflect.DeepEqual(r.New, []string{"new"}) ||
		!reflect.DeepEqual(r.NoType, []string{"jiffies"}) {
		t.Errorf("gone %v, new %v, no type %v", r.Gone, r.New, r.NoType)
	}
	var got []string
	for _, p := range r.Prototypes {
		got = append(got, p.Type+" "+p.Change.String()+": "+strings.Join(p.Lines(), "|"))
	}
	want := []string{
		"takes() moved: void takes(long unsigned int x) is now void takes(long unsigned int x, long unsigned int y)",
		"words() text: void words(long unsigned int x) is now void words(x_t x)",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("prototypes %q", got)
	}
	if want := (types.Tally{NoType: 1}); r.Differ != want {
		t.Errorf("differ %+v", r.Differ)
	}
	if want := (types.Tally{Equal: 4, Prototype: 2, NoType: 1}); r.Agree != want {
		t.Errorf("agree %+v", r.Agree)
	}
	if r := types.Compare(sa, sb).Report("takes", "nothing"); len(r.Prototypes) != 1 || len(r.Gone) != 0 ||
		r.Agree.Equal != 0 {
		t.Errorf("of one symbol: %+v", r)
	}
}

// TestEnums changes the values of an enumeration.
func TestEnums(t *testing.T) {
	for _, test := range []struct {
		values []kmodtest.Field
		change types.Change
		want   string
	}{
		{[]kmodtest.Field{of("ON", 0), of("OFF", 1), of("AUTO", 2)}, types.ValuesAdded, "AUTO = 2 is new"},
		{[]kmodtest.Field{of("AUTO", 0), of("ON", 1), of("OFF", 2)}, types.ValuesChanged,
			"from ON = 0 on 2 moved by +1|AUTO = 0 is new"},
		{[]kmodtest.Field{of("ON", 0)}, types.ValuesChanged, "OFF = 1 is gone"},
		{nil, types.Same, ""},
	} {
		a, b := build(plainBus, plainPower), build(plainBus, plainPower)
		a.Func("set", 0, of("s", a.Enum("state", of("ON", 0), of("OFF", 1))))
		b.Func("set", 0, of("s", b.Enum("state", test.values...)))
		sa, sb := side(t, a, nil), side(t, b, nil)
		sa.Exports = append(sa.Exports, types.Export{Name: "set"})
		sb.Exports = append(sb.Exports, types.Export{Name: "set"})
		r := types.Compare(sa, sb).Report("set")
		switch {
		case test.change == types.Same && len(r.Types) == 0:
		case len(r.Types) != 1 || r.Types[0].Type != "enum state" || r.Types[0].Change != test.change:
			t.Errorf("%v: %+v", test.values, r.Types)
		case strings.Join(r.Types[0].Lines(), "|") != test.want:
			t.Errorf("%v: %q", test.values, r.Types[0].Lines())
		}
	}
}

// TestModule puts modules into each class.
func TestModule(t *testing.T) {
	movedBus := func(k *testKernel) uint32 {
		return k.Struct("bus", 24, at("id", k.long, 0), at("name", k.Pointer(k.char), 8), at("flags", k.long, 16))
	}
	movedPower := func(k *testKernel) uint32 {
		return k.Struct("power", 24, at("timer", k.long, 0), at("state", k.long, 8), at("usage", k.char, 16))
	}
	addedBus := func(k *testKernel) uint32 {
		u := k.Union("", 8, at("flags", k.long, 0), at("mode", k.char, 0))
		return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("", u, 8))
	}
	textBus := func(k *testKernel) uint32 {
		return k.Struct("bus", 16, at("name", k.Pointer(k.char), 0), at("flags", k.Typedef("flags_t", k.long), 8))
	}
	names := func(b *kmodtest.BTF, k *testKernel) { b.Struct("own", 8, at("dev", b.Pointer(k.device), 0)) }
	calls := []types.Export{{Name: "device_add", CRC: 1, HasCRC: true}, {Name: "kfree", CRC: 1, HasCRC: true}}
	for _, test := range []struct {
		name       string
		bus, power func(k *testKernel) uint32
		differ     []string // in the second kernel
		own        func(b *kmodtest.BTF, k *testKernel)
		imports    []types.Export
		class      types.Class
		used       string // of the first type
	}{
		{"the same", plainBus, plainPower, []string{}, names, calls, types.ClassSame, ""},
		{"equal versions are never overruled", movedBus, plainPower, []string{}, nil, calls, types.ClassSame, ""},
		{"text", textBus, plainPower, []string{"device_add"}, names, calls, types.ClassText, ""},
		{"added", addedBus, plainPower, []string{"device_add"}, names, calls, types.ClassAdded, ""},
		{"what it points to two pointers away", movedBus, plainPower, []string{"device_add"}, names, calls,
			types.ClassNoneNamed, ""},
		{"the same, without types of its own", movedBus, plainPower, []string{"device_add"}, nil, calls,
			types.ClassNotKnown, ""},
		{"contained in what it points to", plainBus, movedPower, []string{"device_add"}, names, calls,
			types.ClassNamesMoved,
			"follows a pointer to it in struct own.dev, within struct device"},
		{"contained in what it passes on", plainBus, movedPower, []string{"device_add"}, nil, calls,
			types.ClassNamesMoved,
			"names it in calls of device_add(), within struct device"},
		{"embedded", movedBus, plainPower, []string{"device_add"}, func(b *kmodtest.BTF, k *testKernel) {
			b.Struct("own", 16, at("bus", 3+1, 0)) // behind long, char and the pointer to char
		}, calls, types.ClassNamesMoved, "embeds it in struct own.bus"},
		{"taken", movedBus, plainPower, []string{"device_add"}, func(b *kmodtest.BTF, k *testKernel) {
			b.Func("probe", 0, of("b", b.Pointer(4)))
			b.Struct("own", 16, at("bus", b.Pointer(4), 0))
		}, calls, types.ClassNamesMoved, "takes it in probe()"},
		{"copied", movedBus, plainPower, []string{"device_add"}, func(b *kmodtest.BTF, k *testKernel) {
			b.Struct("bus", 16, at("name", b.Pointer(k.char), 0), at("flags", k.long, 8))
		}, calls, types.ClassNamesMoved, "has a copy of it"},
		{"no type", plainBus, plainPower, []string{"jiffies"}, names,
			[]types.Export{{Name: "jiffies", CRC: 1, HasCRC: true}}, types.ClassNotKnown, ""},
		{"a version without reason", plainBus, plainPower, []string{"kfree"}, names, calls, types.ClassNotKnown, ""},
		{"built for a third kernel", plainBus, plainPower, []string{"kfree"}, names,
			[]types.Export{{Name: "kfree", CRC: 7, HasCRC: true}}, types.ClassNotKnown, ""},
		{"another module's symbol", plainBus, plainPower, []string{}, names,
			[]types.Export{{Name: "other", CRC: 7, HasCRC: true}}, types.ClassNotKnown, ""},
		{"without versions", movedBus, plainPower, nil, names, []types.Export{{Name: "device_add"},
			{Name: "jiffies"}}, types.ClassNoneNamed, ""},
		{"without versions, the same", plainBus, plainPower, nil, names, []types.Export{{Name: "device_add"}},
			types.ClassSame, ""},
	} {
		a, b := build(plainBus, plainPower), build(test.bus, test.power)
		none := []string{}
		if test.differ == nil {
			none = nil
		}
		sa := side(t, a, none)
		m := types.Module{Imports: test.imports}
		if test.own != nil {
			own := &kmodtest.BTF{Base: a.BTF}
			test.own(own, a)
			m.Types = parse(t, own, sa.Types)
		}
		ch := types.Compare(sa, side(t, b, test.differ)).Module(m)
		if ch.Class != test.class || (ch.Class == types.ClassNotKnown) != (ch.Why != "") {
			t.Errorf("%s: %v (%s), %+v", test.name, ch.Class, ch.Why, ch)
		}
		if test.used != "" && (len(ch.Types) == 0 || ch.Types[0].Used != test.used) {
			t.Errorf("%s: %+v", test.name, ch.Types)
		}
		if test.used == "" && len(ch.Types) > 0 && ch.Types[0].Used != "" && ch.Types[0].Change.Moves() {
			t.Errorf("%s: uses %+v", test.name, ch.Types[0])
		}
	}
}

// TestWay is the shortest way to a type, and the number of symbols that reach it.
func TestWay(t *testing.T) {
	grown := func(k *testKernel) uint32 {
		return k.Struct("bus", 24, at("name", k.Pointer(k.char), 0), at("flags", k.long, 8), at("more", k.long, 16))
	}
	a, b := build(plainBus, plainPower), build(grown, plainPower)
	c := types.Compare(side(t, a, []string{}), side(t, b, []string{"device_add", "bus_find"}))
	for _, test := range []struct {
		imports []string
		want    []string
		symbols int
	}{
		{[]string{"device_add"}, []string{"device_add()", "struct device", "struct bus"}, 1},
		{[]string{"device_add", "bus_find"}, []string{"bus_find()", "struct bus"}, 2},
	} {
		m := types.Module{}
		for _, name := range test.imports {
			m.Imports = append(m.Imports, types.Export{Name: name, CRC: 1, HasCRC: true})
		}
		ch := c.Module(m)
		if len(ch.Types) != 1 || !reflect.DeepEqual(ch.Types[0].Via, test.want) ||
			ch.Types[0].Symbols != test.symbols || ch.Differ != test.symbols {
			t.Errorf("%v: %+v", test.imports, ch)
		}
	}
}

// TestOthersExports compares what another module exports, whose types are split.
func TestOthersExports(t *testing.T) {
	var sides, other []types.Side
	for i := range uint32(2) {
		k := build(plainBus, plainPower)
		s := side(t, k, []string{})
		b := &kmodtest.BTF{Base: k.BTF}
		hub := b.Struct("hub", 16+8*i, at("dev", b.Pointer(k.device), 0), at("n", k.long, 8+8*i))
		b.Func("hub_add", 0, of("h", b.Pointer(hub)), of("d", b.Pointer(k.device)))
		sides = append(sides, s)
		other = append(other, types.Side{Types: parse(t, b, s.Types),
			Exports: []types.Export{{Name: "hub_add", CRC: 10 + i, HasCRC: true}}})
	}
	c := types.Compare(sides[0], sides[1])
	c.AddModule(other[0], other[1])
	ch := c.Module(types.Module{Imports: []types.Export{{Name: "hub_add", CRC: 10, HasCRC: true}}})
	if ch.Class != types.ClassNamesMoved || len(ch.Types) != 1 || ch.Types[0].Type != "struct hub" ||
		ch.Types[0].Change != types.Moved {
		t.Errorf("%+v", ch)
	}
}

// TestDistilled has of the first kernel the sizes that a module brings along.
func TestDistilled(t *testing.T) {
	distilled := &kmodtest.BTF{}
	distilled.Struct("bus", 16)
	distilled.Add(7<<24, "device", 0)
	own := &kmodtest.BTF{Base: distilled}
	own.Struct("own", 24, at("bus", 1, 0), at("dev", own.Pointer(2), 16))
	grown := func(k *testKernel) uint32 { return k.Struct("bus", 24, at("name", k.long, 0)) }
	for _, test := range []struct {
		bus   func(k *testKernel) uint32
		class types.Class
	}{{plainBus, types.ClassNotKnown}, {grown, types.ClassNamesMoved}} {
		base := parse(t, distilled, nil)
		m := types.Module{Types: parse(t, own, base),
			Imports: []types.Export{{Name: "device_add", CRC: 9, HasCRC: true}}}
		c := types.Compare(types.Side{Types: base, Distilled: true}, side(t, build(test.bus, plainPower), []string{}))
		ch := c.Module(m)
		if ch.Class != test.class {
			t.Errorf("%v: %+v", test.class, ch)
		}
		if test.class == types.ClassNamesMoved && (len(ch.Types) != 1 || ch.Types[0].SizeWas != 16 ||
			ch.Types[0].SizeIs != 24) {
			t.Errorf("%+v", ch.Types)
		}
		// With the kernel it was built for, its names lead there.
		full := types.Compare(side(t, build(plainBus, plainPower), []string{}),
			side(t, build(test.bus, plainPower), []string{}))
		ch = full.Module(types.Module{Types: m.Types})
		if moved := types.ClassNamesMoved; (ch.Class == moved) != (test.class == moved) {
			t.Errorf("with the kernel: %+v", ch)
		}
	}
}

// TestTooMuch compares types that are twice as many at each step.
func TestTooMuch(t *testing.T) {
	k := build(plainBus, plainPower)
	last := k.Struct("", 1, at("c", k.char, 0))
	for range 60 {
		last = k.Struct("", 1, at("a", last, 0), at("b", last, 0))
	}
	k.Func("deep", 0, of("p", k.Pointer(last)))
	s := side(t, k, nil)
	s.Exports = append(s.Exports, types.Export{Name: "deep"})
	c := types.Compare(s, s)
	ch := c.Module(types.Module{Imports: []types.Export{{Name: "deep"}}})
	if ch.Class != types.ClassNotKnown || !c.TooMuch() || !c.Report().TooMuch {
		t.Errorf("%+v", ch)
	}
	none := types.Compare(types.Side{Exports: s.Exports}, s)
	if ch := none.Module(types.Module{Imports: []types.Export{{Name: "deep"}},
		Types: s.Types}); ch.Class != types.ClassNotKnown {
		t.Errorf("without types: %+v", ch)
	}
}

// FuzzCompare wants of any two kernels: an end, and of one kernel compared with itself: nothing that differs.
func FuzzCompare(f *testing.F) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		a, b := build(plainBus, plainPower), build(plainPower, plainBus)
		a.Order, b.Order = order, order
		own := &kmodtest.BTF{Order: order, Base: a.BTF}
		own.Struct("own", 8, at("dev", own.Pointer(a.device), 0))
		fuzzseed.Add(f, a.Bytes(), b.Bytes(), own.Bytes())
	}
	f.Fuzz(func(t *testing.T, a, b, own []byte) {
		fa, err := btf.Parse(a, nil)
		if err != nil {
			return
		}
		s := types.Side{Types: fa}
		m := types.Module{}
		for typ := range fa.Types() {
			if typ.Kind == btf.Func || typ.Kind == btf.Var {
				s.Exports = append(s.Exports, types.Export{Name: typ.Name(), CRC: 1})
				m.Imports = append(m.Imports, types.Export{Name: typ.Name(), CRC: 1})
			}
		}
		if r := types.Compare(s, s).Report(); len(r.Types)+len(r.Prototypes) > 0 && !r.TooMuch {
			t.Errorf("a kernel differs from itself: %+v", r)
		}
		fb, err := btf.Parse(b, nil)
		if err != nil {
			return
		}
		c := types.Compare(s, types.Side{Types: fb, Exports: s.Exports})
		for _, typ := range c.Report().Types {
			typ.Lines()
		}
		if m.Types, err = btf.Parse(own, fa); err != nil {
			m.Types = nil
		}
		if ch := c.Module(m); (ch.Class == types.ClassNotKnown) != (ch.Why != "") {
			t.Errorf("%v: %q", ch.Class, ch.Why)
		}
	})
}

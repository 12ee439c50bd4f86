package index_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
)

type triple struct {
	key, value string
	priority   uint32
}

func build(t testing.TB, entries ...triple) []byte {
	t.Helper()
	b := index.NewBuilder()
	for _, e := range entries {
		if err := b.Add(e.key, e.value, e.priority); err != nil {
			t.Fatal(err)
		}
	}
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, data []byte) *index.Index {
	t.Helper()
	x, err := index.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The bytes are those that kmod 34.2 wrote for the same entries.
func TestBytes(t *testing.T) {
	dep := "b007f457000200012000000c" + "6d6d20000012" + "31324000001c40000034" +
		"0000000100000000" + hex.EncodeToString([]byte("kernel/a/m1.ko:\x00")) +
		"0000000100000001" + hex.EncodeToString([]byte("kernel/a/m2.ko:\x00"))
	for _, tt := range []struct {
		name    string
		entries []triple
		want    string
	}{
		{"empty", nil, "b007f457000200010000000c"},
		{"one", []triple{{"ext4", "", 0}}, "b007f457000200012000000c" + "6565c0000012" + "78743400" + "000000010000000000"},
		{"two", []triple{{"m1", "kernel/a/m1.ko:", 0}, {"m2", "kernel/a/m2.ko:", 1}}, dep},
		{"two, the other way round", []triple{{"m2", "kernel/a/m2.ko:", 1}, {"m1", "kernel/a/m1.ko:", 0}}, dep},
	} {
		if got := hex.EncodeToString(build(t, tt.entries...)); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	// modules.alias.bin of m1 (ab*, abc) and m2 (abc, x_[0-9]).
	data := build(t, triple{"ab*", "m1", 0}, triple{"abc", "m1", 0}, triple{"abc", "m2", 1}, triple{"x_[0-9]", "m2", 1})
	if len(data) != 393 {
		t.Errorf("%d bytes; want 393", len(data))
	}
	for _, tt := range []struct {
		off  int
		want string
	}{
		{8, "2000000c6178a000006e"}, {0x6a, "c0000177"}, {0x6e, "62002a634000015a"}, {0x156, "40000165"},
		{0x15a, "00000001000000006d3100"}, {0x165, "00000002000000006d3100000000016d3200"}, {0x177, "5f5b302d395d0000000001000000016d3200"},
	} {
		if got := hex.EncodeToString(data[tt.off : tt.off+len(tt.want)/2]); got != tt.want {
			t.Errorf("at %#x: %s; want %s", tt.off, got, tt.want)
		}
	}
}

func TestSearch(t *testing.T) {
	x := parse(t, build(t,
		triple{"ab*", "m1", 0}, triple{"abc", "m1", 0}, triple{"abc", "m2", 1}, triple{"x_[0-9]", "m2", 1},
		triple{"usb:v13FDp3940d*", "usb_storage", 7}, triple{"usb:v13FDp3940d*dc*", "uas", 5}, triple{"usb:v13FDp3940d0101*", "usb_storage", 7}, triple{"usb:v*p*d*ic08*", "uas", 5},
		triple{"dmi:*:svn*:pn3850M2/x3950M2_*", "dmi", 0}, triple{"of:N*T*Cfoo[0_9]*", "of", 2}, triple{`q*\*x`, "escaped", 0}, triple{`q?`, "one", 3}, triple{"q**", "stars", 1},
		triple{"eq*", "first", 0}, triple{"e*q", "second", 0}, triple{"eqq", "third", 0}, triple{"", "root", 0},
	))
	for _, tt := range []struct{ key, want string }{
		{"abc", "m1 m1 m2"},
		{"ab", "m1"},
		{"x_5", "m2"},
		{"x_x", ""},
		{"usb:v13FDp3940d0101dc00ic08isc06", "uas uas usb_storage usb_storage"},
		{"dmi:a:b:svnIBM:x:pn3850M2/x3950M2_[7141]:", "dmi"},
		{"of:NfooT(null)Cbar,bazCfoo9,x", "of"},
		{"of:NfooT(null)Cbar,bazCfoo5,x", ""},
		{"qa*x", "escaped stars"},
		{"q", "stars"},
		{"qz", "stars one"},
		{"eqq", "third first second"},
		{"ab*", "m1 m1"}, // a wildcard in the query is an ordinary byte, which the branch of the wildcard has, too
		{"", "root"},
		{"nothing", ""},
	} {
		var got []string
		for _, v := range x.Search(nil, tt.key) {
			got = append(got, v.Value)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("Search(%q) = %s; want %s", tt.key, s, tt.want)
		}
		if strings.Contains(tt.key, "*") {
			continue
		}
		if want := slow(x, tt.key); !slices.Equal(x.Search(nil, tt.key), want) {
			t.Errorf("Search(%q) = %v; the slow twin says %v", tt.key, got, want)
		}
	}
	kept := x.Search([]index.Value{{Priority: 9, Value: "kept"}}, "abc")
	if len(kept) != 4 || kept[0].Value != "kept" {
		t.Errorf("Search does not append: %v", kept)
	}
}

func TestLookup(t *testing.T) {
	x := parse(t, build(t, triple{"abc", "low", 1}, triple{"abc", "new", 1}, triple{"abc", "high", 2}, triple{"ab", "", 0}, triple{"ab*", "star", 0}))
	for _, tt := range []struct {
		key, want string
		ok        bool
	}{
		{"abc", "new", true}, {"ab", "", true}, {"a", "", false}, {"", "", false}, {"abcd", "", false}, {"abd", "", false}, {"ab*", "star", true},
	} {
		if got, ok := x.Lookup(tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("Lookup(%q) = %q, %t; want %q, %t", tt.key, got, ok, tt.want, tt.ok)
		}
	}
}

func TestDuplicates(t *testing.T) {
	b := index.NewBuilder()
	for i, e := range []triple{{"b", "x", 0}, {"a", "x", 0}, {"b", "x", 5}, {"a", "y", 0}, {"b", "x", 1}, {"a", "x", 0}} {
		if err := b.Add(e.key, e.value, e.priority); err != nil {
			t.Fatal(i, err)
		}
	}
	var got []string
	for _, d := range b.Duplicates() {
		got = append(got, d.Key+d.Value)
	}
	if want := []string{"bx", "bx", "ax"}; !slices.Equal(got, want) {
		t.Errorf("Duplicates = %v; want %v", got, want)
	}
}

func TestBadKey(t *testing.T) {
	var e *index.KeyError
	for _, key := range []string{"a\x80", "a\x00b"} {
		if err := index.NewBuilder().Add(key, "", 0); !errors.As(err, &e) || e.Off != 1 {
			t.Errorf("Add(%q) error = %v; want one at offset 1", key, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want index.FormatError
	}{
		{"", index.FormatError{Off: 0}},
		{"\xb0\x07\xf4\x57\x00\x02\x00\x01\x00\x00\x00", index.FormatError{Off: 11}},
		{"XXXXXXXXXXXX", index.FormatError{Off: 0, Got: 0x58585858, Want: 0xb007f457}},
		{"\xb0\x07\xf4\x57\x00\x03\x00\x01\x00\x00\x00\x0c", index.FormatError{Off: 4, Got: 3, Want: 2}},
	} {
		_, err := index.Parse([]byte(tt.in))
		var e *index.FormatError
		if !errors.As(err, &e) || e.Off != tt.want.Off || e.Got != tt.want.Got || e.Want != tt.want.Want {
			t.Errorf("Parse(%q) error = %v; want %v", tt.in, err, tt.want)
		}
	}
	if _, err := index.Parse([]byte("\xb0\x07\xf4\x57\x00\x02\x00\x99\x00\x00\x00\x0c")); err != nil {
		t.Errorf("a newer minor version: %v", err)
	}
}

// Each file is a table with one thing wrong, on which kmod crashes.
func TestCheck(t *testing.T) {
	const head = "b007f45700020001"
	for _, tt := range []struct {
		name, hex string
		off       int64
	}{
		{"root outside", head + "20000fff", 0xfff},
		{"node in the header", head + "20000004", 4},
		{"file ends before the children", head + "2000000c", 12},
		{"first child after the last", head + "2000000c" + "6261" + "00000000", 12},
		{"table of children cut", head + "2000000c" + "6162" + "00000000", 14},
		{"prefix without end", head + "8000000c" + "6161", 12},
		{"count cut", head + "4000000c" + "0000", 12},
		{"more values than there are", head + "4000000c" + "ffffffff" + "000000006100", 22},
		{"value without end", head + "4000000c" + "00000001" + "0000000061", 20},
		{"loop", head + "2000000c" + "6161" + "2000000c", 12},
		{"loop of wildcards", head + "2000000c" + "2a2a" + "2000000c", 12},
	} {
		data, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		x := parse(t, data)
		var e *index.FormatError
		if err := x.Check(); !errors.As(err, &e) || e.Off != tt.off {
			t.Errorf("%s: Check = %v; want an error at offset %d", tt.name, err, tt.off)
		}
		for range x.All() {
		}
		x.Lookup("aaaa")
		x.Search(nil, "aaaa")
	}
}

func TestOpen(t *testing.T) {
	data := build(t, triple{"a", "b", 0})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.bin"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty.bin"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mapfs := fstest.MapFS{"x.bin": {Data: data}, "empty.bin": {}}
	for _, tt := range []struct {
		name string
		open func(string) (*index.Index, error)
	}{
		{"disk", func(name string) (*index.Index, error) { return index.Open(os.DirFS(dir), name) }},
		{"memory", func(name string) (*index.Index, error) { return index.Open(mapfs, name) }},
	} {
		x, err := tt.open("x.bin")
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := x.Lookup("a"); !ok || v != "b" {
			t.Errorf("%s: Lookup = %q, %t", tt.name, v, ok)
		}
		if err := x.Close(); err != nil {
			t.Errorf("%s: Close: %v", tt.name, err)
		}
		if _, ok := x.Lookup("a"); ok {
			t.Errorf("%s: found after Close", tt.name)
		}
		var e *index.FormatError
		if _, err := tt.open("empty.bin"); !errors.As(err, &e) || e.Off != 0 || !strings.Contains(err.Error(), "empty.bin") {
			t.Errorf("%s: empty file: %v", tt.name, err)
		}
		if _, err := tt.open("none.bin"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: no file: %v", tt.name, err)
		}
	}
}

func TestSearchAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector adds allocations")
	}
	x := parse(t, build(t, triple{"pci:v*d*sv*", "a", 0}, triple{"pci:v*d00[12]*", "b", 1}, triple{"pci:v1d001sv", "c", 2}))
	dst := make([]index.Value, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst = x.Search(dst[:0], "pci:v1d001sv") }); n != 0 || len(dst) != 3 {
		t.Errorf("%v allocations, %d results; want 0, 3", n, len(dst))
	}
	if n := testing.AllocsPerRun(100, func() { x.Lookup("pci:v1d001sv") }); n != 0 {
		t.Errorf("Lookup: %v allocations; want 0", n)
	}
}

// TestManyStars would take for ever if the search tried every place for every star.
func TestManyStars(t *testing.T) {
	x := parse(t, build(t, triple{strings.Repeat("*a", 1000) + "b", "x", 0}, triple{strings.Repeat("*?", 1000) + "c", "x", 0}))
	if got := x.Search(nil, strings.Repeat("a", 3000)); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func ExampleIndex_Search() {
	b := index.NewBuilder()
	b.Add("pci:v00008086d*", "generic", 2)
	b.Add("pci:v00008086d00001533sv*", "igb", 1)
	data, _ := b.Bytes()
	x, _ := index.Parse(data)
	for _, v := range x.Search(nil, "pci:v00008086d00001533sv0sd0") {
		fmt.Println(v.Priority, v.Value)
	}
	// Output:
	// 1 igb
	// 2 generic
}

// TestSearchManyValues has a key with so many values that to put each in its place among the others would take minutes.
func TestSearchManyValues(t *testing.T) {
	const many = 200_000
	b := index.NewBuilder()
	for i := range many {
		b.Add("key", "", uint32(i))
		b.Add("k*", "wild", uint32(many-1-i))
	}
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	first := index.Value{Priority: many, Value: "was there"}
	found := x.Search([]index.Value{first}, "key")
	if len(found) != 1+2*many || found[0] != first {
		t.Fatalf("%d values, the first %v", len(found), found[0])
	}
	for i, v := range found[1:] {
		want := index.Value{Priority: uint32(i / 2)}
		if i%2 == 1 {
			want.Value = "wild" // which is found first
		}
		if v != want {
			t.Fatalf("value %d is %v; want %v", i, v, want)
		}
	}
}

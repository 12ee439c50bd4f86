package modinfo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// sample is a module with one of everything.
var sample = kmodtest.Module{
	Name:     "sam-ple",
	Aliases:  []string{"pci:v00008086d*", "fs-sample"},
	Firmware: []string{"sample/a.bin", "sample/b.bin"},
	Depends:  "crc16,jbd2",
	Params:   []kmodtest.Param{{Name: "debug", Type: "int", Desc: "how much to say"}, {Name: "names", Type: "array of charp"}, {Name: "old", Desc: "does nothing"}},
	Exports:  []kmodtest.Export{{Name: "sample_open", CRC: 0x11223344}, {Name: "sample_close", CRC: 2, GPL: true, Namespace: "SAMPLE"}},
	Imports:  []kmodtest.Import{{Name: "printk", CRC: 0x92997ed8}, {Name: "perhaps", CRC: 1, Weak: true}, {Name: "module_layout", CRC: 5, VersionOnly: true}},
	BuildID:  []byte{0xab, 0xcd},
	Signature: &kmodtest.Signature{
		Kind: kmodtest.PKCS7, Signer: "Build key", KeyID: []byte{0x12, 0xab}, Sig: []byte("signature"),
	},
}

// compressed returns a file in every format.
func compressed(t testing.TB, image []byte) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{"sam-ple.ko": {Data: image}}
	for ext, file := range kmodtest.Compressed(t, image) {
		fsys["sam-ple.ko."+ext] = &fstest.MapFile{Data: file}
	}
	return fsys
}

func TestOpen(t *testing.T) {
	fsys := compressed(t, sample.Bytes())
	formats := map[string]string{"sam-ple.ko": "none", "sam-ple.ko.gz": "gzip", "sam-ple.ko.xz": "xz", "sam-ple.ko.zst": "zstd"}
	for name := range fsys {
		m, err := modinfo.Open(fsys, name)
		if err != nil {
			t.Errorf("Open(%s): %v", name, err)
			continue
		}
		if m.Path != name || m.Builtin || m.Compression != formats[name] {
			t.Errorf("Open(%s) = %+v", name, m)
		}
		checkSample(t, m)
		parsed, err := modinfo.Parse(fsys[name].Data)
		if err != nil || parsed.Compression != formats[name] || parsed.Path != "" {
			t.Fatalf("Parse(%s) = %+v, %v", name, parsed, err)
		}
		checkSample(t, parsed)
	}
}

// checkSample compares all that a Module tells with sample.
func checkSample(t *testing.T, m *modinfo.Module) {
	t.Helper()
	same := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v; want %+v", what, got, want)
		}
	}
	same("Name", m.Name(), "sam_ple")
	same("Vermagic", m.Vermagic(), "6.1.0 SMP mod_unload modversions ")
	same("Depends", m.Depends(), []string{"crc16", "jbd2"})
	same("Aliases", m.Aliases(), sample.Aliases)
	same("Firmware", m.Firmware(), sample.Firmware)
	same("Values", m.Values("nothing"), []string(nil))
	params, err := m.Params()
	same("error of Params", err, nil)
	slices.SortFunc(params, func(a, b modinfo.Param) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	same("Params", params, []modinfo.Param{
		{Name: "debug", Type: "int", Desc: "how much to say", HasType: true, HasDesc: true},
		{Name: "names", Type: "array of charp", HasType: true},
		{Name: "old", Desc: "does nothing", HasDesc: true},
	})
	exports, err := m.Exports()
	same("error of Exports", err, nil)
	same("Exports", exports, []modinfo.Export{
		{Name: "sample_open", CRC: 0x11223344, HasCRC: true},
		{Name: "sample_close", Namespace: "SAMPLE", CRC: 2, HasCRC: true, GPL: true},
	})
	imports, err := m.Imports()
	same("error of Imports", err, nil)
	same("Imports", imports, []modinfo.Import{
		{Name: "printk", CRC: 0x92997ed8, HasCRC: true},
		{Name: "perhaps", Weak: true, CRC: 1, HasCRC: true},
	})
	versions, err := m.Versions()
	same("error of Versions", err, nil)
	got := make(map[string]uint64)
	for _, v := range versions {
		got[v.Name] = v.CRC
	}
	same("Versions", got, map[string]uint64{"printk": 0x92997ed8, "perhaps": 1, "module_layout": 5})
	same("Signature", m.Signature(), &modinfo.Signature{ID: "PKCS#7", Signer: "Build key", Key: []byte{0x12, 0xab}, Hash: "sha256", Value: []byte("signature")})
	id, err := m.BuildID()
	same("error of BuildID", err, nil)
	same("BuildID", id, sample.BuildID)
}

// TestOpenConcurrently shares one Module among goroutines.
func TestOpenConcurrently(t *testing.T) {
	fsys := compressed(t, sample.Bytes())
	m, err := modinfo.Open(fsys, "sam-ple.ko.xz")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := m.Exports()
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestErrors(t *testing.T) {
	noinfo := sample
	noinfo.Omit = []string{".modinfo"}
	empty := sample
	empty.Bare = true
	xz := kmodtest.Compressed(t, sample.Bytes())["xz"]
	fsys := fstest.MapFS{
		"text.ko":    {Data: []byte("no module at all, just a text")},
		"short.ko":   {Data: sample.Bytes()[:500]},
		"short.xz":   {Data: xz[:len(xz)/2]},
		"no-info.ko": {Data: noinfo.Bytes()},
		"empty.ko":   {Data: empty.Bytes()},
		"dir/a":      {},
	}
	for name, want := range map[string]error{
		"text.ko": modinfo.ErrFormat, "short.ko": modinfo.ErrFormat, "short.xz": modinfo.ErrFormat,
		"no-info.ko": modinfo.ErrNoInfo, "missing.ko": fs.ErrNotExist,
	} {
		m, err := modinfo.Open(fsys, name)
		if m != nil || !errors.Is(err, want) {
			t.Errorf("Open(%s) = %v, %v; want %v", name, m, err, want)
			continue
		}
		var bad *modinfo.FormatError
		if want == modinfo.ErrFormat && (!errors.As(err, &bad) || bad.Path != name) {
			t.Errorf("Open(%s): %#v names no file", name, err)
		}
		if !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("Open(%s): %q does not name the file", name, err)
		}
	}
	if m, err := modinfo.Open(fsys, "empty.ko"); err != nil || m.Vermagic() != "" {
		t.Errorf("Open of a module that says nothing = %v, %v", m, err)
	}
	if m, err := modinfo.Open(fsys, "dir"); m != nil || err == nil {
		t.Errorf("Open of a folder = %v, %v", m, err)
	}
}

func TestBadSignature(t *testing.T) {
	m := sample
	m.Signature = &kmodtest.Signature{Kind: kmodtest.PKCS7, Raw: []byte("\x30\x03\x02\x01\x05")}
	got, err := modinfo.Parse(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s := got.Signature()
	m.Signature = nil
	var bad *modinfo.FormatError
	if s == nil || s.Hash != "unknown" || !errors.As(s.Err, &bad) || bad.Off < int64(len(m.Bytes())) {
		t.Errorf("Signature = %+v", s)
	}
}

func TestParams(t *testing.T) {
	m := kmodtest.Module{Name: "m", Bare: true, Info: []string{
		"parm=a:first", "parm=nocolon", "parmtype=b:int", "parmtype=bad", "parm=a:second", "parm=:", "parm=c:x:y",
	}}
	got, err := modinfo.Parse(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	params, err := got.Params()
	want := []modinfo.Param{
		{Name: "a", Desc: "second", HasDesc: true}, {Name: "b", Type: "int", HasType: true},
		{HasDesc: true}, {Name: "c", Desc: "x:y", HasDesc: true},
	}
	var bad *modinfo.ParamError
	if !errors.As(err, &bad) || *bad != (modinfo.ParamError{Key: "parm", Value: "nocolon"}) || !reflect.DeepEqual(params, want) {
		t.Errorf("Params = %+v, %v; want %+v", params, err, want)
	}
}

func TestBuiltin(t *testing.T) {
	const dir = "lib/modules/1.0"
	file := "\x00\x00a.license=GPL\x00\x00unix.license=GPL v2\x00unix.alias=net-pf-1\x00z.a=1\x00unix.late=1\x00last.open=x\x00\x00\x00"
	fsys := fstest.MapFS{dir + "/modules.builtin.modinfo": {Data: []byte(file)}}
	for name, want := range map[string]map[string]string{
		"unix": {"license": "GPL v2", "alias": "net-pf-1"}, // as kmod: what is not together is not found
		"last": {"open": "x"},
		"none": {},
	} {
		m, err := modinfo.Builtin(fsys, dir, name)
		if err != nil || !m.Builtin || m.Name() != name || m.Compression != "" {
			t.Errorf("Builtin(%s) = %+v, %v", name, m, err)
			continue
		}
		if got := maps.Collect(m.Fields()); !maps.Equal(got, want) {
			t.Errorf("Builtin(%s) = %v; want %v", name, got, want)
		}
		exports, err := m.Exports()
		imports, err2 := m.Imports()
		id, err3 := m.BuildID()
		if err := errors.Join(err, err2, err3); err != nil || exports != nil || imports != nil || id != nil || m.Signature() != nil {
			t.Errorf("Builtin(%s) has symbols, or %v", name, err)
		}
	}
	if _, err := modinfo.Builtin(fsys, "nowhere", "unix"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the file: %v; want %v", err, fs.ErrNotExist)
	}
	fsys[dir+"/modules.builtin.modinfo"].Data = []byte("a.b=c\x00nodot\x00")
	var bad *modinfo.FormatError
	if _, err := modinfo.Builtin(fsys, dir, "a"); !errors.As(err, &bad) || bad.Off != 6 {
		t.Errorf("record without a module: %v; want an error at offset 6", err)
	}
}

func FuzzBuiltin(f *testing.F) {
	fuzzseed.Add(f, []byte("a.license=GPL\x00unix.license=GPL v2\x00unix.alias=net-pf-1\x00z.a=1\x00"), "unix")
	fuzzseed.Add(f, []byte("nodot\x00"), "a")
	fuzzseed.Add(f, []byte("\x00a.x=1\x00\x00\x00"), "a")
	f.Fuzz(func(t *testing.T, file []byte, name string) {
		fsys := fstest.MapFS{"modules.builtin.modinfo": {Data: file}}
		m, err := modinfo.Builtin(fsys, ".", name)
		if (m == nil) != (err != nil) {
			t.Fatalf("%v, %v", m, err)
		}
		if m == nil {
			return
		}
		for key, value := range m.Fields() {
			with := []byte(fmt.Sprintf("%s.%s=%s", name, key, value))
			without := []byte(fmt.Sprintf("%s.%s", name, key))
			if !bytes.Contains(file, with) && !(value == "" && bytes.Contains(file, without)) {
				t.Errorf("%q is not in the file", with)
			}
		}
	})
}

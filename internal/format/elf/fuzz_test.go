package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"errors"
	"io"
	"reflect"
	"testing"
	"unsafe"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// seeds adds sample in every shape and era, and what is no module.
func seeds(f *testing.F) {
	for _, m := range forms() {
		fuzzseed.Add(f, m.Bytes())
		m.FlagsTable, m.Versions = true, 1
		fuzzseed.Add(f, m.Bytes())
		m.CRCs, m.Versions, m.Signature = 3, 2, nil
		fuzzseed.Add(f, m.Bytes())
	}
	fuzzseed.Add(f, []byte("\x7fELF"))
}

// inside reports whether part is nil or lies in image.
func inside(image, part []byte) bool {
	if len(part) == 0 {
		return true
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(image)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return at >= start && at+uintptr(cap(part)) <= start+uintptr(len(image))
}

// FuzzParse wants: a result if and only if there is no error, slices inside the
// image, an unchanged image, the same from Open as from Parse, and what
// debug/elf says where that accepts the file as well.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, image []byte) {
		before := bytes.Clone(image)
		whole, err := elf.Parse(image)
		parts, err2 := elf.Open(bytes.NewReader(image), int64(len(image)))
		if (whole == nil) != (err != nil) || (parts == nil) != (err2 != nil) || !sameError(err, err2) {
			t.Fatalf("Parse: %v, %v; Open: %v, %v", whole, err, parts, err2)
		}
		if err != nil {
			var bad *elf.FormatError
			if !errors.As(err, &bad) || bad.Off < 0 && uint64(bad.Off) <= uint64(len(image)) {
				t.Fatalf("error %v has no offset", err)
			}
			return
		}
		for i := range whole.Sections() {
			s := whole.SectionAt(i)
			data, err := whole.Data(s)
			if (err != nil && data != nil) || !inside(image, data) {
				t.Fatalf("section %d: %d bytes, %v, inside: %v", i, len(data), err, inside(image, data))
			}
		}
		if !inside(image, whole.BuildID()) {
			t.Error("build-id outside the image")
		}
		if sig, _ := whole.Signature(); sig != nil && !(inside(image, sig.Data) && inside(image, sig.KeyID) && inside(image, sig.Signer)) {
			t.Error("signature outside the image")
		}
		sameAnswers(t, whole, parts)
		if plain, err := whole.Unversioned(true, true); err == nil && len(plain) > len(image) {
			t.Errorf("Unversioned: %d bytes of %d", len(plain), len(image))
		}
		if !bytes.Equal(image, before) {
			t.Fatal("image was changed")
		}
		likeDebugELF(t, image, whole)
	})
}

func sameError(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
}

// sameAnswers compares what two Files say about one module.
func sameAnswers(t *testing.T, a, b *elf.File) {
	t.Helper()
	same := func(what string, x, y any, errX, errY error) {
		t.Helper()
		if !sameError(errX, errY) || !reflect.DeepEqual(x, y) {
			t.Errorf("%s: %v, %v and %v, %v", what, x, errX, y, errY)
		}
		if v := reflect.ValueOf(x); errX != nil && v.Kind() == reflect.Slice && v.Len() > 0 {
			t.Errorf("%s: %v beside the error %v", what, x, errX)
		}
	}
	info, err := a.Modinfo()
	info2, err2 := b.Modinfo()
	same("Modinfo", info, info2, err, err2)
	exports, err := a.Exports()
	exports2, err2 := b.Exports()
	same("Exports", exports, exports2, err, err2)
	exports, err = a.ExportTable()
	exports2, err2 = b.ExportTable()
	same("ExportTable", exports, exports2, err, err2)
	imports, err := a.Imports()
	imports2, err2 := b.Imports()
	same("Imports", imports, imports2, err, err2)
	versions, err := a.Versions()
	versions2, err2 := b.Versions()
	same("Versions", versions, versions2, err, err2)
	versions, err = a.ExtVersions()
	versions2, err2 = b.ExtVersions()
	same("ExtVersions", versions, versions2, err, err2)
	params, err := a.Params()
	params2, err2 := b.Params()
	same("Params", params, params2, err, err2)
	this, ok := a.ThisModule()
	this2, ok2 := b.ThisModule()
	same("ThisModule", this, this2, nil, nil)
	same("ThisModule", ok, ok2, nil, nil)
	same("BuildID", a.BuildID(), b.BuildID(), nil, nil)
	sig, err := a.Signature()
	sig2, err2 := b.Signature()
	if sig2 != nil && sig2.Off > 1<<20 {
		return
	}
	same("Signature", sig, sig2, err, err2)
}

// likeDebugELF compares with the standard library's reader.
func likeDebugELF(t *testing.T, image []byte, f *elf.File) {
	t.Helper()
	e, err := stdelf.NewFile(bytes.NewReader(image))
	if err != nil || len(e.Sections) != f.Sections() {
		return // or more sections than the header has room for, which modules do not have
	}
	for i, want := range e.Sections {
		s := f.SectionAt(i)
		if i == 0 || want.Flags&stdelf.SHF_COMPRESSED != 0 {
			continue // debug/elf looks into compressed ones
		}
		if s.Name != want.Name || s.Type != uint32(want.Type) || uint32(s.Flags) != uint32(want.Flags) || s.Addr != want.Addr ||
			s.Off != want.Offset || s.Size != want.FileSize || s.Link != want.Link || s.Info != want.Info ||
			s.Align != want.Addralign || s.EntSize != want.Entsize {
			t.Errorf("section %d: %+v; debug/elf: %+v", i, s, want.SectionHeader)
		}
		if want.Type == stdelf.SHT_NOBITS {
			continue
		}
		data, err := f.Data(s)
		wantData, wantErr := io.ReadAll(want.Open())
		if err == nil && wantErr == nil && !bytes.Equal(data, wantData) {
			t.Errorf("section %d: %d bytes; debug/elf: %d", i, len(data), len(wantData))
		}
	}
}

// FuzzSplitSignature wants: the parts, put together again, are the file.
func FuzzSplitSignature(f *testing.F) {
	for _, m := range forms() {
		image := m.Bytes()
		fuzzseed.Add(f, image[len(image)-100:])
	}
	fuzzseed.Add(f, []byte("ELF"+"name"+"key"+"sig"+"\x01\x04\x01\x04\x03\x00\x00\x00\x00\x00\x00\x03"+"~Module signature appended~\n"))
	f.Fuzz(func(t *testing.T, image []byte) {
		elf, sig := elf.SplitSignature(image)
		if sig == nil {
			if len(elf) != len(image) {
				t.Errorf("no signature, but %d bytes of %d", len(elf), len(image))
			}
			return
		}
		n := len(sig.Data)
		again := bytes.Join([][]byte{elf, sig.Signer, sig.KeyID, sig.Data,
			{sig.Algo, sig.Hash, sig.IDType, byte(len(sig.Signer)), byte(len(sig.KeyID))}}, nil)
		pad := image[min(len(again), len(image)):][:3] // not looked at
		again = append(append(again, pad...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		again = append(again, "~Module signature appended~\n"...)
		if !bytes.Equal(again, image) || sig.Off != int64(len(elf)) {
			t.Errorf("%d bytes and %+v are not the file of %d bytes", len(elf), sig, len(image))
		}
	})
}

package btf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	ebpf "github.com/cilium/ebpf/btf"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// FuzzParse wants: a file if and only if there is no error, an error with an offset, texts of bounded length for each
// type, and where cilium/ebpf reads the bytes as well, the same types.
func FuzzParse(f *testing.F) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		base := sample(order)
		split := &kmodtest.BTF{Order: order, Base: base}
		split.Struct("own", 120, kmodtest.At("dev", 18, 0), kmodtest.At("next", split.Pointer(5), 104))
		fuzzseed.Add(f, base.Bytes(), split.Bytes())
		fuzzseed.Add(f, base.Bytes(), base.Bytes())
	}
	f.Fuzz(func(t *testing.T, data, more []byte) {
		before := bytes.Clone(data)
		base, err := btf.Parse(data, nil)
		readable(t, data, base, err)
		if err != nil {
			return
		}
		spec, twinErr := ebpf.LoadSpecFromReader(bytes.NewReader(data))
		if twinErr == nil && acyclic(base) {
			(&twin{t: t, f: base, spec: spec, hostile: true}).all()
		}
		split, err := btf.Parse(more, base)
		readable(t, more, split, err)
		v, why := btf.Validate(more, nil, base)
		if (v == btf.Valid) != (why == nil) {
			t.Errorf("validity %d: %v", v, why)
		}
		if v, why := btf.Validate(data, more, base); (v == btf.Valid) != (why == nil) {
			t.Errorf("validity %d: %v", v, why)
		}
		if !bytes.Equal(before, data) {
			t.Error("the data were changed")
		}
	})
}

// readable reads all that can be asked of a file.
func readable(t *testing.T, data []byte, f *btf.File, err error) {
	t.Helper()
	var bad *btf.FormatError
	if (f == nil) != (err != nil) {
		t.Fatalf("%v and %v", f, err)
	}
	if err != nil {
		if !errors.As(err, &bad) || bad.Off < 0 || bad.Off > int64(len(data)) {
			t.Fatalf("%v has no offset", err)
		}
		return
	}
	n := 0
	for typ := range f.Types() {
		if n++; n > 100 {
			break
		}
		if err := f.Print(io.Discard, typ.ID); err != nil {
			t.Fatal(err)
		}
		f.Lookup(typ.Name())
		f.Resolve(typ.ID)
		if found := btf.Find(data); f.Base() == nil && found != nil && !bytes.Contains(data, found) {
			t.Fatal("what is found is not there")
		}
	}
}

// acyclic tells whether no typedef, qualifier or function leads back to itself, which cilium/ebpf may follow without
// end.
func acyclic(f *btf.File) bool {
	for typ := range f.Types() {
		id := typ.ID
		for range 20 {
			to := f.Type(id)
			switch to.Kind {
			case btf.Typedef, btf.Const, btf.Volatile, btf.Restrict, btf.TypeTag, btf.Var, btf.Func, btf.Pointer:
				id = to.Ref
			case btf.Array:
				id, _, _ = to.Array()
			default:
				id = 0
			}
		}
		if id != 0 && f.Type(id).Kind != btf.Pointer {
			return false
		}
	}
	return true
}

package btf_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ebpf "github.com/cilium/ebpf/btf"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// kernelBTF returns the section .BTF of a Debian kernel's boot image.
func kernelBTF(t testing.TB, key string) []byte {
	t.Helper()
	dir, _ := kmodtest.Corpus(t, key)
	image, err := os.ReadFile(filepath.Join(dir, "boot", "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, _, err := kernel.Unwrap(image)
	if err != nil {
		t.Fatal(err)
	}
	return section(t, kernel, ".BTF")
}

// section returns a section of an ELF file, nil if it has none of that name.
func section(t testing.TB, image []byte, name string) []byte {
	t.Helper()
	f, err := elf.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := f.Section(name)
	if !ok {
		return nil
	}
	data, err := f.Data(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// modules calls do with modules of a Debian kernel, every nth.
func modules(t testing.TB, key string, nth int, do func(name string, image []byte)) {
	t.Helper()
	kmodtest.CorpusModules(t, key, nth, func(tree fs.FS, name string) {
		image, _, err := compress.ReadFile(tree, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		do(name, image)
	})
}

// A twin compares a file with what cilium/ebpf makes of the same bytes.
type twin struct {
	t       testing.TB
	f       *btf.File
	spec    *ebpf.Spec
	hostile bool // it reads types one by one, and may refuse some
	bad     int
}

func (w *twin) errorf(format string, args ...any) {
	if w.bad++; w.bad < 10 {
		w.t.Errorf(format, args...)
	}
}

func (w *twin) id(typ ebpf.Type) btf.ID {
	if _, ok := typ.(*ebpf.Void); ok || typ == nil {
		return 0
	}
	id, err := w.spec.TypeID(typ)
	if err != nil && !w.hostile {
		w.errorf("%v: %v", typ, err)
	}
	return btf.ID(id)
}

func (w *twin) all() (types, members int) {
	for typ := range w.f.Types() {
		want, err := w.spec.TypeByID(ebpf.TypeID(typ.ID))
		switch {
		case err != nil && w.hostile:
			continue
		case err == nil && typ.Kind == btf.DeclTag:
			w.tag(typ)
			continue
		}
		if err != nil {
			w.errorf("type %d: %v", typ.ID, err)
			continue
		}
		types++
		if typ.Kind == btf.Struct || typ.Kind == btf.Union {
			members += typ.Len
		}
		if got, want := w.ours(typ), w.theirs(want); got != want {
			w.errorf("type %d: %s; cilium/ebpf: %s", typ.ID, got, want)
		}
		w.size(typ.ID, want)
	}
	return types, members
}

// tag looks for a tag at the type that it is about.
func (w *twin) tag(t btf.Type) {
	about, err := w.spec.TypeByID(ebpf.TypeID(t.Ref))
	if err != nil {
		if !w.hostile {
			w.errorf("type %d: %v", t.Ref, err)
		}
		return
	}
	var tags []string
	switch c := t.Component(); about := about.(type) {
	case *ebpf.Func:
		if tags = about.Tags; c >= 0 {
			tags = about.ParamTags[c]
		}
	case *ebpf.Struct:
		if tags = about.Tags; c >= 0 {
			tags = about.Members[c].Tags
		}
	case *ebpf.Union:
		if tags = about.Tags; c >= 0 {
			tags = about.Members[c].Tags
		}
	case *ebpf.Typedef:
		tags = about.Tags
	case *ebpf.Var:
		tags = about.Tags
	}
	if !slices.Contains(tags, t.Name()) {
		w.errorf("type %d: tag %q at type %d; cilium/ebpf: %q", t.ID, t.Name(), t.Ref, tags)
	}
}

// size compares sizes where both have one.
func (w *twin) size(id btf.ID, typ ebpf.Type) {
	got, ok := w.f.Size(id)
	want, err := ebpf.Sizeof(typ)
	if ok && err == nil && uint64(want) != got && w.f.PointerSize() == 8 {
		w.errorf("type %d: %d bytes; cilium/ebpf: %d", id, got, want)
	}
}

func (w *twin) ours(t btf.Type) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %q ", t.Kind, t.Name())
	switch t.Kind {
	case btf.Int:
		e, _, _ := t.Encoding()
		fmt.Fprint(&b, t.Size, e)
	case btf.Float:
		fmt.Fprint(&b, t.Size)
	case btf.Array:
		elem, n, index := t.Array()
		fmt.Fprint(&b, elem, n, index)
	case btf.Struct, btf.Union:
		fmt.Fprint(&b, t.Size)
		for i := range t.Len {
			m := t.Member(i)
			fmt.Fprintf(&b, "; %s %d %d %d", m.Name, m.Type, m.Offset, m.Bits)
		}
	case btf.Enum, btf.Enum64:
		fmt.Fprint(&b, t.Size, t.Flag)
		for i := range t.Len {
			e := t.Enumerator(i)
			fmt.Fprintf(&b, "; %s %#x", e.Name, uint64(e.Value))
		}
	case btf.Fwd:
		fmt.Fprint(&b, t.Flag)
	case btf.Func, btf.Var:
		fmt.Fprint(&b, t.Ref, t.Linkage())
	case btf.FuncProto:
		fmt.Fprint(&b, t.Ref)
		for i := range t.Len {
			p := t.Param(i)
			fmt.Fprintf(&b, "; %s %d", p.Name, p.Type)
		}
	case btf.Datasec:
		fmt.Fprint(&b, t.Size)
		for i := range t.Len {
			p := t.Place(i)
			fmt.Fprintf(&b, "; %d %d %d", p.Type, p.Offset, p.Size)
		}
	default:
		fmt.Fprint(&b, t.Ref)
	}
	return b.String()
}

func (w *twin) theirs(t ebpf.Type) string {
	var b strings.Builder
	head := func(kind string) { fmt.Fprintf(&b, "%s %q ", kind, t.TypeName()) }
	list := func(kind string, size uint32, members []ebpf.Member) {
		head(kind)
		fmt.Fprint(&b, size)
		for _, m := range members {
			fmt.Fprintf(&b, "; %s %d %d %d", m.Name, w.id(m.Type), m.Offset, m.BitfieldSize)
		}
	}
	ref := func(kind string, typ ebpf.Type) {
		head(kind)
		fmt.Fprint(&b, w.id(typ))
	}
	switch t := t.(type) {
	case *ebpf.Int:
		head("int")
		fmt.Fprint(&b, t.Size, uint8(t.Encoding))
	case *ebpf.Float:
		head("float")
		fmt.Fprint(&b, t.Size)
	case *ebpf.Array:
		head("array")
		fmt.Fprint(&b, w.id(t.Type), t.Nelems, w.id(t.Index))
	case *ebpf.Struct:
		list("struct", t.Size, t.Members)
	case *ebpf.Union:
		list("union", t.Size, t.Members)
	case *ebpf.Enum:
		head("enum")
		fmt.Fprint(&b, t.Size, t.Signed)
		for _, e := range t.Values {
			fmt.Fprintf(&b, "; %s %#x", e.Name, e.Value)
		}
	case *ebpf.Fwd:
		head("fwd")
		fmt.Fprint(&b, t.Kind == ebpf.FwdUnion)
	case *ebpf.Func:
		head("func")
		fmt.Fprint(&b, w.id(t.Type), uint32(t.Linkage))
	case *ebpf.Var:
		head("var")
		fmt.Fprint(&b, w.id(t.Type), uint32(t.Linkage))
	case *ebpf.FuncProto:
		ref("func_proto", t.Return)
		for _, p := range t.Params {
			fmt.Fprintf(&b, "; %s %d", p.Name, w.id(p.Type))
		}
	case *ebpf.Datasec:
		head("datasec")
		fmt.Fprint(&b, t.Size)
		for _, p := range t.Vars {
			fmt.Fprintf(&b, "; %d %d %d", w.id(p.Type), p.Offset, p.Size)
		}
	case *ebpf.Pointer:
		ref("pointer", t.Target)
	case *ebpf.Typedef:
		ref("typedef", t.Type)
	case *ebpf.Volatile:
		ref("volatile", t.Type)
	case *ebpf.Const:
		ref("const", t.Type)
	case *ebpf.Restrict:
		ref("restrict", t.Type)
	case *ebpf.TypeTag:
		fmt.Fprintf(&b, "type_tag %q %d", t.Value, w.id(t.Type))
	default:
		fmt.Fprintf(&b, "%T", t)
	}
	return b.String()
}

// TestTwin reads whole kernels and some of their modules as cilium/ebpf does.
func TestTwin(t *testing.T) {
	for _, key := range []string{"6.1", "6.12", "7.2"} {
		t.Run(key, func(t *testing.T) {
			data := kernelBTF(t, key)
			f, err := btf.Parse(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := ebpf.LoadSpecFromReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			w := &twin{t: t, f: f, spec: spec}
			types, members := w.all()
			t.Logf("%d types, %d members", types, members)
			if types < 50000 || members < 20000 {
				t.Errorf("%d types, %d members", types, members)
			}
			split := 0
			modules(t, key, 97, func(name string, image []byte) {
				own := section(t, image, ".BTF")
				if own == nil {
					return
				}
				f, err := btf.Parse(own, f)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				spec, err := ebpf.LoadSplitSpecFromReader(bytes.NewReader(own), spec)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				split++
				w := &twin{t: t, f: f, spec: spec}
				w.all()
			})
			if split < 20 {
				t.Errorf("%d modules have split BTF", split)
			}
		})
	}
}

// TestFindDebian finds the types in an image that is raw, and reads them.
func TestFindDebian(t *testing.T) {
	kmodtest.Long(t)
	dir, _ := kmodtest.Corpus(t, "6.1:arm64")
	image, err := os.ReadFile(filepath.Join(dir, "boot", "vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, way, err := kernel.Unwrap(image)
	if err != nil {
		t.Fatal(err)
	}
	f, err := btf.Parse(btf.Find(kernel), nil)
	if err != nil {
		t.Fatalf("%s: %v", way, err)
	}
	if found := f.Lookup("task_struct"); len(found) == 0 || f.End() < 50000 {
		t.Errorf("%d types, %v", f.End(), found)
	}
	n := 0
	modules(t, "6.1:arm64", 97, func(name string, image []byte) {
		n++
		if v, err := btf.Validate(section(t, image, ".BTF"), nil, f); v != btf.Valid {
			t.Errorf("%s: %v", name, err)
		}
	})
	if n < 20 {
		t.Errorf("%d modules", n)
	}
}
